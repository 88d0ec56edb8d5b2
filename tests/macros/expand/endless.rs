#[daemon]
fn spin(speed: u16) -> ! {
    loop {
        std::thread::sleep(std::time::Duration::from_millis(speed.into()));
    }
}
