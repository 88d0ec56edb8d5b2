fn main() -> ::std::process::ExitCode {
    #[tokio::main]
    async fn daemon_main(context: daemonic::Context) {
        let watcher = tokio::task::spawn_blocking(move || {
            context.wait(std::time::Duration::MAX)
        });
        assert!(watcher. await .is_ok_and(| stopped | stopped));
    }
    ::daemonic::Daemon::new(::daemonic::program_name())
        .version(::core::env!("CARGO_PKG_VERSION"))
        .stop_signal(::daemonic::Signal::SIGINT)
        .main(move |context: &::daemonic::Context| daemon_main(
            <::daemonic::Context as ::core::clone::Clone>::clone(context),
        ))
}
