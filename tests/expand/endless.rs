#[daemon]
fn spin(_speed: u32) -> ! {
    loop {
        std::thread::park();
    }
}
