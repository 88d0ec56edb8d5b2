fn fetch(
    action: impl ::daemonic::IntoAction,
    url: String,
    log: &std::path::Path,
) -> ::daemonic::Result {
    fn fetch(
        url: String,
        log: &std::path::Path,
        context: &daemonic::Context,
    ) -> Result<(), String> {
        if context.is_stopping() {
            return Err(url + " is still to be fetched");
        }
        println!("see {}", log.display());
        Ok(())
    }
    ::daemonic::Daemon::new("fetch")
        .stdout(log)
        .every(::core::time::Duration::from_secs(90))
        .missed(::daemonic::Missed::Delay)
        .on_error(::daemonic::OnError::Continue)
        .dispatch(
            action,
            move |context: &::daemonic::Context| fetch(
                <String as ::daemonic::RunArgument>::for_run(&url),
                log,
                context,
            ),
        )
}
