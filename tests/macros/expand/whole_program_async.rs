#[daemon(stop_signal = "INT")]
#[tokio::main]
async fn main(context: daemonic::Context) {
    let watcher = tokio::task::spawn_blocking(move || context.wait(std::time::Duration::MAX));
    assert!(watcher.await.is_ok_and(|stopped| stopped));
}
