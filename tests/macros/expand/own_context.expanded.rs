fn watch(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn watch(context: daemonic::Context) {
        let watcher = std::thread::spawn(move || {
            while !context.wait(std::time::Duration::from_millis(1500)) {
                println!("still there");
            }
        });
        watcher.join().expect("a watcher doesn't panic");
    }
    ::daemonic::Daemon::new("watch")
        .pidfile("/run/watch.pid")
        .dispatch(
            action,
            move |context: &::daemonic::Context| watch(
                <::daemonic::Context as ::core::clone::Clone>::clone(context),
            ),
        )
}
