#[repeat_daemon(respawn = daemonic::Respawn::Always, setup = std::fs::File::create(path), every = "1m")]
fn note(file: &mut std::fs::File, path: String) -> std::io::Result<()> {
    std::io::Write::write_all(file, path.as_bytes())
}
