//! An async `main` with a `Context`, as a whole program.

use daemonic::{Context, daemon};

#[daemon(pidfile = path("PIDFILE"), stdout = path("STDOUT"), wait_ready = "10s")]
#[tokio::main]
async fn main(context: Context) -> anyhow::Result<()> {
    println!("arguments {:?}", std::env::args().skip(2).collect::<Vec<_>>());
    context.ready();
    tokio::spawn(async move { context.stopped().await }).await?;
    println!("stopped");
    Ok(())
}

fn path(key: &str) -> String {
    std::env::var(format!("SUBJECT_{key}")).expect("a path")
}
