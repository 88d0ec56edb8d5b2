#[repeat_daemon(every = "1h 30m", wait_ready = "10s")]
fn main(context: &daemonic::Context) -> std::process::ExitCode {
    context.ready();
    std::process::ExitCode::from(u8::from(context.is_stopping()))
}
