#[repeat_daemon(respawn = daemonic::Respawn::Always, setup = std::fs::File::create(path), every = "1m")]
fn note(file: &mut std::fs::File, mut path: String) -> std::io::Result<()> {
    path.push('!');
    std::io::Write::write_all(file, path.as_bytes())
}
