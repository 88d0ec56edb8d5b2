fn tick(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn tick() {
        println!("tick");
    }
    ::daemonic::Daemon::new("tick")
        .pidfile("/tmp/tick.pid")
        .stdout("/tmp/tick.log")
        .every(::core::time::Duration::from_secs(5))
        .times(3)
        .dispatch(action, tick)
}
