fn tick(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn tick() {
        println!("tick");
    }
    ::daemonic::Daemon::new("tick")
        .pidfile("/tmp/tick.pid")
        .cron("30 3 * * MON-FRI")
        .timezone("Europe/Berlin")
        .jitter(::core::time::Duration::from_secs(90))
        .on_error(::daemonic::OnError::Continue)
        .times(3)
        .dispatch(action, tick)
}
