#[repeat_daemon(every = "5s", times = 3, pidfile = "/tmp/tick.pid", stdout = "/tmp/tick.log")]
fn tick() {
    println!("tick");
}
