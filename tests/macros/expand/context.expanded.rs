fn serve(action: impl ::daemonic::IntoAction, port: u16) -> ::daemonic::Result {
    fn serve(port: u16, context: &daemonic::Context) -> Result<(), std::io::Error> {
        let listener = std::net::TcpListener::bind(("localhost", port))?;
        while !context.is_stopping() {
            drop(listener.accept()?);
        }
        Ok(())
    }
    ::daemonic::Daemon::new("serve")
        .stop_timeout(::core::time::Duration::from_secs(30))
        .dispatch(action, move |context: &::daemonic::Context| serve(port, context))
}
