#[repeat_daemon(every = "10s", setup = open(&path), check = open(&path), name = format!("count-{id}"))]
fn count(file: &mut std::fs::File, path: std::path::PathBuf, log: &str, id: u32) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(file, "{log}: {id}, {}", path.display())?;
    drop(path);
    file.sync_all()
}

#[daemon(check = "80".parse::<u16>())]
fn serve() {}

fn open(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}
