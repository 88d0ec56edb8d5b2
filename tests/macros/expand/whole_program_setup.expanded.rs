fn main() -> ::std::process::ExitCode {
    fn main(context: &daemonic::Context, lines: &mut Vec<String>) {
        lines.push(context.is_stopping().to_string());
    }
    ::daemonic::Daemon::new(::daemonic::program_name())
        .version(::core::env!("CARGO_PKG_VERSION"))
        .every(::core::time::Duration::from_secs(60))
        .setup(move || Vec::with_capacity(8))
        .main(move |state: &mut Vec<String>, context: &::daemonic::Context| main(
            context,
            state,
        ))
}
