#[repeat_daemon(every = "10s", times = 3, setup = open(path, log), name = format!("count-{id}"))]
fn count(
    context: &daemonic::Context,
    (runs, file): &mut (u32, std::fs::File),
    path: std::path::PathBuf,
    log: &str,
    id: u32,
) -> std::io::Result<()> {
    *runs += 1;
    let path = path.into_boxed_path();
    println!("{log}: {id}, {}: {runs}", path.display());
    if context.is_stopping() { file.sync_all() } else { Ok(()) }
}

fn open(path: std::path::PathBuf, log: &str) -> std::io::Result<(u32, std::fs::File)> {
    println!("{log}: open");
    let file = std::fs::File::open(&path);
    drop(path);
    Ok((0, file?))
}
