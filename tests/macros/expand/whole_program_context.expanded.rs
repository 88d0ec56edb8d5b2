fn main() -> ::std::process::ExitCode {
    fn main(context: &daemonic::Context) -> std::process::ExitCode {
        context.ready();
        std::process::ExitCode::from(u8::from(context.is_stopping()))
    }
    ::daemonic::Daemon::new(::daemonic::program_name())
        .version(::core::env!("CARGO_PKG_VERSION"))
        .wait_ready(::core::time::Duration::from_secs(10))
        .every(::core::time::Duration::from_secs(5400))
        .main(move |context: &::daemonic::Context| main(context))
}
