#[daemon(pidfile = "/run/watch.pid")]
fn watch(context: daemonic::Context) {
    let watcher = std::thread::spawn(move || {
        while !context.wait(std::time::Duration::from_secs(60)) {
            println!("a minute has passed");
        }
    });
    watcher.join().expect("a watcher doesn't panic");
}
