fn spin(action: impl ::daemonic::IntoAction, speed: u16) -> ::daemonic::Result {
    fn spin(speed: u16) -> ! {
        loop {
            std::thread::sleep(std::time::Duration::from_millis(speed.into()));
        }
    }
    ::daemonic::Daemon::new("spin").dispatch(action, move || -> ! { spin(speed) })
}
