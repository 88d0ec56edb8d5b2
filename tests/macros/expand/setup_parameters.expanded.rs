fn count(
    action: impl ::daemonic::IntoAction,
    path: std::path::PathBuf,
    log: &str,
    id: u32,
) -> ::daemonic::Result {
    fn count(
        context: &daemonic::Context,
        (runs, file): &mut (u32, std::fs::File),
        #[allow(unused_variables, reason = "a key uses it")]
        path: std::path::PathBuf,
        log: &str,
        id: u32,
    ) -> std::io::Result<()> {
        *runs += 1;
        let path = path.into_boxed_path();
        println!("{log}: {id}, {}: {runs}", path.display());
        if context.is_stopping() { file.sync_all() } else { Ok(()) }
    }
    ::daemonic::Daemon::new("count")
        .name(format!("count-{id}"))
        .every(::core::time::Duration::from_secs(10))
        .times(3)
        .setup({
            let path = <std::path::PathBuf as ::daemonic::RunArgument>::for_run(&path);
            move || {
                let path = <std::path::PathBuf as ::daemonic::RunArgument>::for_run(
                    &path,
                );
                open(path, log)
            }
        })
        .dispatch(
            action,
            move |state: &mut (u32, std::fs::File), context: &::daemonic::Context| count(
                context,
                state,
                <std::path::PathBuf as ::daemonic::RunArgument>::for_run(&path),
                log,
                <u32 as ::daemonic::RunArgument>::for_run(&id),
            ),
        )
}
fn open(path: std::path::PathBuf, log: &str) -> std::io::Result<(u32, std::fs::File)> {
    println!("{log}: open");
    let file = std::fs::File::open(&path);
    drop(path);
    Ok((0, file?))
}
