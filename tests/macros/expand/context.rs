#[daemon(stop_timeout = "30s")]
fn serve(port: u16, context: &daemonic::Context) -> Result<(), std::io::Error> {
    let listener = std::net::TcpListener::bind(("localhost", port))?;
    while !context.is_stopping() {
        drop(listener.accept()?);
    }
    Ok(())
}
