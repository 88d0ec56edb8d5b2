/// Runs at the times of a cron expression, each time with a runtime of its own.
#[repeat_daemon(cron = "30 3 * * *", run_timeout = "1h", pidfile = "/tmp/nightly.pid")]
#[tokio::main(flavor = "current_thread")]
pub async fn nightly(context: &daemonic::Context) -> std::io::Result<()> {
    while !context.is_stopping() {
        tokio::task::yield_now().await;
    }
    std::fs::remove_file("/tmp/socket")
}
