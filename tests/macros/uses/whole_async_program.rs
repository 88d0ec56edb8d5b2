//! A whole program with a runtime.

use daemonic::{Context, repeat_daemon};

#[repeat_daemon(every = "5s", missed = "burst")]
#[tokio::main]
async fn main(context: &Context) -> Result<(), String> {
    tokio::task::yield_now().await;
    if context.reload_requested() { Err("there is nothing to reload".into()) } else { Ok(()) }
}
