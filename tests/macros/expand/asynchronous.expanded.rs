/// Serves with a runtime that is built in the daemon.
#[allow(clippy::missing_errors_doc, reason = "they are those of the action")]
pub fn serve(action: impl ::daemonic::IntoAction, port: u16) -> ::daemonic::Result {
    #[tokio::main(flavor = "current_thread")]
    async fn serve(port: u16, context: &daemonic::Context) -> std::io::Result<()> {
        while !context.is_stopping() {
            println!("serving {port}");
            tokio::task::yield_now().await;
        }
        std::fs::remove_file("/tmp/socket")
    }
    ::daemonic::Daemon::new("serve")
        .pidfile("/run/serve.pid")
        .dispatch(action, move |context: &::daemonic::Context| serve(port, context))
}
