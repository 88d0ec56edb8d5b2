use daemonic::{Context, daemon};

async fn work(context: Context) {
    context.stopped().await;
    let _event = context.event().await;
}

#[daemon]
fn example(context: Context) {
    drop(work(context));
}

fn main() {
    let _ = example("start");
}
