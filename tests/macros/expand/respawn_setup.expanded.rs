fn note(action: impl ::daemonic::IntoAction, path: String) -> ::daemonic::Result {
    fn note(file: &mut std::fs::File, mut path: String) -> std::io::Result<()> {
        path.push('!');
        std::io::Write::write_all(file, path.as_bytes())
    }
    ::daemonic::Daemon::new("note")
        .every(::core::time::Duration::from_secs(60))
        .setup({
            let path = <String as ::daemonic::RunArgument>::for_run(&path);
            move || {
                let path = <String as ::daemonic::RunArgument>::for_run(&path);
                std::fs::File::create(path)
            }
        })
        .respawn(daemonic::Respawn::Always)
        .dispatch(
            action,
            move |state: &mut std::fs::File| note(
                state,
                <String as ::daemonic::RunArgument>::for_run(&path),
            ),
        )
}
