fn watch(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn watch(context: daemonic::Context) {
        let watcher = std::thread::spawn(move || {
            while !context.wait(std::time::Duration::from_secs(60)) {
                println!("a minute has passed");
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
