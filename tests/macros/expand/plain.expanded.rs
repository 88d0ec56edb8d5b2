fn example(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn example() {
        loop {
            println!("testing daemon ...");
            std::thread::sleep(std::time::Duration::from_secs(5));
        }
    }
    ::daemonic::Daemon::new("example")
        .pidfile("/tmp/example.pid")
        .stdout("/tmp/example.log")
        .dispatch(action, example)
}
