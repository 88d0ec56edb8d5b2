#[repeat_daemon(
    timezone = "Europe/Berlin",
    cron = "30 3 * * MON-FRI",
    jitter = "90s",
    on_error = "continue",
    times = 3,
    pidfile = "/tmp/tick.pid"
)]
fn tick() {
    println!("tick");
}
