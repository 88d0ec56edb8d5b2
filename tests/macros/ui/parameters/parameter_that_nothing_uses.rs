#![deny(unused_variables)]
//! The names of parameters are in these values, but not the parameters.

use daemonic::daemon;

mod id {
    pub const PATH: &str = "/run/example.pid";
}

struct Place {
    log: &'static str,
}

const PLACE: Place = Place { log: "/var/log/example.log" };

#[daemon(
    stdin = id::PATH,
    pidfile = format!("{{id}} {}", 3),
    stdout = PLACE.log,
    stderr = Place { log: "path" }.log,
    umask = if false { 0o22 } else { 0o27 }
)]
fn example(id: u32, log: u32, path: u32, umask: u32, of_the_body: u32) {
    println!("{of_the_body}");
}

fn main() {
    let _ = example("start", 1, 2, 3, 4, 5);
}
