//! A worker for one machine or for many: the same program in an image, a cluster or a unit.
//!
//! `worker run QUEUE` works until it is stopped, and `worker run QUEUE --once` until the queue is
//! empty. The files beside this directory run it: `Dockerfile`, `deployment.yaml`, `cronjob.yaml`,
//! `worker.nomad.hcl` and `worker@.service`.

use std::env;
use std::time::Duration;

use daemonic::{Context, daemon};

// A container has no home directory, so the pidfile has a directory of its own. Whatever runs the
// worker gives it longer than `stop_timeout` to stop.
#[daemon(
    name = format!("worker-{}", queue()),
    pidfile = format!("/run/worker/{}.pid", queue()),
    stop_timeout = "20s",
    wait_ready = "10s",
)]
fn main(context: &Context) {
    let queue = queue();
    context.ready();
    println!("working on {queue}, pid {}", std::process::id());
    let is_once = env::args().any(|argument| argument == "--once");
    // A stop ends the wait early, and never a job.
    while work(&queue) || !is_once && !context.wait(Duration::from_millis(500)) {
        if context.is_stopping() {
            break;
        }
    }
    println!("no job is left half done");
}

/// Does one job. Returns whether there was one.
fn work(_queue: &str) -> bool {
    false
}

/// Returns the argument after the action.
fn queue() -> String {
    env::args().nth(2).unwrap_or("default".into())
}
