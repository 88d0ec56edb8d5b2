/// Serves with a runtime that is built in the daemon.
#[daemon(pidfile = "/run/serve.pid")]
#[tokio::main(flavor = "current_thread")]
pub async fn serve(port: u16, context: &daemonic::Context) -> std::io::Result<()> {
    while !context.is_stopping() {
        println!("serving {port}");
        tokio::task::yield_now().await;
    }
    std::fs::remove_file("/tmp/socket")
}
