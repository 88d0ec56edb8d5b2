fn worker(
    action: impl ::daemonic::IntoAction,
    name: String,
    pause: std::time::Duration,
    peers: &[String],
) -> ::daemonic::Result {
    fn worker(
        mut name: String,
        #[allow(unused_variables, reason = "a key uses it")]
        pause: std::time::Duration,
        peers: &[String],
        context: &daemonic::Context,
    ) {
        name.push('!');
        println!("{name} knows {peers:?}");
        while !context.wait(std::time::Duration::MAX) {}
    }
    ::daemonic::Daemon::new("worker")
        .respawn_delay(pause)
        .stdout("worker.log")
        .respawn(::daemonic::Respawn::OnFailure)
        .dispatch(
            action,
            move |context: &::daemonic::Context| worker(
                <String as ::daemonic::RunArgument>::for_run(&name),
                <std::time::Duration as ::daemonic::RunArgument>::for_run(&pause),
                peers,
                context,
            ),
        )
}
