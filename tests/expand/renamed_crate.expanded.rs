fn example(
    action: impl crate::prelude::daemonic::IntoAction,
) -> crate::prelude::daemonic::Result {
    fn example(context: &crate::prelude::daemonic::Context) {
        while !context.is_stopping() {}
    }
    crate::prelude::daemonic::Daemon::new("example")
        .stop_signal(crate::prelude::daemonic::Signal::SIGTERM)
        .dispatch(
            action,
            move |context: &crate::prelude::daemonic::Context| example(context),
        )
}
