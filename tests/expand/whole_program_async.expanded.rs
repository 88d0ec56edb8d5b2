fn main() -> ::std::process::ExitCode {
    #[tokio::main]
    async fn daemon_main(context: daemonic::Context) {
        while !context.is_stopping() {
            tokio::task::yield_now().await;
        }
    }
    ::daemonic::Daemon::new("main")
        .stop_signal(::daemonic::Signal::SIGINT)
        .main(move |context: &::daemonic::Context| daemon_main(
            <::daemonic::Context as ::core::clone::Clone>::clone(context),
        ))
}
