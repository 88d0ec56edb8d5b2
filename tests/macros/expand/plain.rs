#[daemon(pidfile = "/tmp/example.pid", stdout = "/tmp/example.log")]
fn example() {
    loop {
        println!("testing daemon ...");
        std::thread::sleep(std::time::Duration::from_secs(5));
    }
}
