#[repeat_daemon(every = period, pidfile = format!("/run/{id}.pid"))]
fn tick(period: std::time::Duration, id: u32, text: &str) {
    println!("{text}");
}
