#[daemon(stop_signal = "INT")]
#[tokio::main]
async fn main(context: daemonic::Context) {
    while !context.is_stopping() {
        tokio::task::yield_now().await;
    }
}
