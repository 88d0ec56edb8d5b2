fn tick(
    action: impl ::daemonic::IntoAction,
    period: std::time::Duration,
    id: u32,
    text: &str,
) -> ::daemonic::Result {
    fn tick(
        #[allow(unused_variables, reason = "a key uses it")]
        period: std::time::Duration,
        #[allow(unused_variables, reason = "a key uses it")]
        id: u32,
        text: &str,
    ) {
        println!("{text}");
    }
    ::daemonic::Daemon::new("tick")
        .pidfile(format!("/run/{id}.pid"))
        .every(period)
        .dispatch(
            action,
            move || tick(
                <std::time::Duration as ::daemonic::RunArgument>::for_run(&period),
                <u32 as ::daemonic::RunArgument>::for_run(&id),
                text,
            ),
        )
}
