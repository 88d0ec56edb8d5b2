fn spin(action: impl ::daemonic::IntoAction, _speed: u32) -> ::daemonic::Result {
    fn spin(_speed: u32) -> ! {
        loop {
            std::thread::park();
        }
    }
    ::daemonic::Daemon::new("spin").dispatch(action, move || -> ! { spin(_speed) })
}
