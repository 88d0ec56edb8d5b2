//! Parameters that have the names of the expansion's own variables.

use daemonic::{Context, daemon, repeat_daemon};

#[daemon(pidfile = format!("/tmp/{action}-{context}.pid"))]
fn plain(action: &str, context: u8, stop: &Context) {
    while !stop.is_stopping() {
        println!("{action} {context}");
    }
}

#[repeat_daemon(every = "5s", name = action)]
fn repeated(action: &str, daemon: u8) {
    println!("{action} {daemon}");
}

fn main() {
    drop(plain("no action", "delete", 3));
    drop(repeated(String::from("no action"), "delete", 3));
}
