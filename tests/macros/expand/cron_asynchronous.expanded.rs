/// Runs at the times of a cron expression, each time with a runtime of its own.
#[allow(clippy::missing_errors_doc, reason = "they are those of the action")]
pub fn nightly(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    #[tokio::main(flavor = "current_thread")]
    async fn nightly(context: &daemonic::Context) -> std::io::Result<()> {
        while !context.is_stopping() {
            tokio::task::yield_now().await;
        }
        std::fs::remove_file("/tmp/socket")
    }
    ::daemonic::Daemon::new("nightly")
        .pidfile("/tmp/nightly.pid")
        .cron("30 3 * * *")
        .run_timeout(::core::time::Duration::from_secs(3600))
        .dispatch(action, move |context: &::daemonic::Context| nightly(context))
}
