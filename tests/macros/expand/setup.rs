#[repeat_daemon(every = "10s", setup = std::fs::File::create("/run/check.state"))]
fn check(state: &mut std::fs::File) -> std::io::Result<()> {
    std::io::Write::write_all(state, b"checked\n")
}
