fn context(the_action: impl ::daemonic::IntoAction, action: &str) -> ::daemonic::Result {
    fn context(action: &str, _context: &daemonic::Context) {
        println!("{action}");
    }
    ::daemonic::Daemon::new("context")
        .pidfile(format!("/run/{action}.pid"))
        .dispatch(
            the_action,
            move |the_context: &::daemonic::Context| context(action, the_context),
        )
}
