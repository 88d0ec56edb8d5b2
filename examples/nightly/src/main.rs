//! A job at half past three each night, local time, which is made up for after downtime.
//!
//! Run `cargo run -p example-nightly -- start`, then `status`, `next 5`, `once`, and `stop`.

#[daemonic::repeat_daemon(cron = "30 3 * * *", catch_up = true, name = "nightly",
    pidfile = home("pid"), state = home("state"), stdout = home("log"))]
fn main() {
    println!("good night");
}

fn home(kind: &str) -> std::path::PathBuf {
    std::env::home_dir().expect("a home directory").join(format!("daemon_nightly.{kind}"))
}
