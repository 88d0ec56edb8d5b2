fn example(
    action: impl crate::prelude::services::IntoAction,
) -> crate::prelude::services::Result {
    fn example(context: &crate::prelude::services::Context) {
        while !context.is_stopping() {
            std::thread::park();
        }
    }
    crate::prelude::services::Daemon::new("example")
        .stop_signal(crate::prelude::services::Signal::SIGTERM)
        .dispatch(
            action,
            move |context: &crate::prelude::services::Context| example(context),
        )
}
