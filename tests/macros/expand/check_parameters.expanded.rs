fn count(
    action: impl ::daemonic::IntoAction,
    path: std::path::PathBuf,
    log: &str,
    id: u32,
) -> ::daemonic::Result {
    fn count(
        file: &mut std::fs::File,
        path: std::path::PathBuf,
        log: &str,
        id: u32,
    ) -> std::io::Result<()> {
        use std::io::Write;
        writeln!(file, "{log}: {id}, {}", path.display())?;
        drop(path);
        file.sync_all()
    }
    ::daemonic::Daemon::new("count")
        .name(format!("count-{id}"))
        .every(::core::time::Duration::from_secs(10))
        .setup({
            let path = <std::path::PathBuf as ::daemonic::RunArgument>::for_run(&path);
            move || {
                let path = <std::path::PathBuf as ::daemonic::RunArgument>::for_run(
                    &path,
                );
                open(&path)
            }
        })
        .check({
            let path = <std::path::PathBuf as ::daemonic::CheckArgument>::for_check(
                &path,
            );
            move || {
                let path = <std::path::PathBuf as ::daemonic::CheckArgument>::for_check(
                    &path,
                );
                open(&path)
            }
        })
        .dispatch(
            action,
            move |state: &mut std::fs::File| count(
                state,
                <std::path::PathBuf as ::daemonic::RunArgument>::for_run(&path),
                log,
                <u32 as ::daemonic::RunArgument>::for_run(&id),
            ),
        )
}
fn serve(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn serve() {}
    ::daemonic::Daemon::new("serve")
        .check(move || "80".parse::<u16>())
        .dispatch(action, serve)
}
fn open(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}
