#[daemon(pidfile = "/run/watch.pid")]
fn watch(context: daemonic::Context) {
    let watcher = std::thread::spawn(move || {
        while !context.wait(std::time::Duration::from_millis(1500)) {
            println!("still there");
        }
    });
    watcher.join().expect("a watcher doesn't panic");
}
