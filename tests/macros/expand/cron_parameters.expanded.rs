fn tick(
    action: impl ::daemonic::IntoAction,
    expression: &str,
    city: String,
) -> ::daemonic::Result {
    fn tick(expression: &str, city: String, context: &Context) {
        println!("{expression} in {city}: {context:?}");
    }
    ::daemonic::Daemon::new("tick")
        .pidfile(format!("/tmp/{city}.pid"))
        .cron(expression)
        .timezone(format!("Europe/{city}"))
        .dispatch(
            action,
            move |context: &::daemonic::Context| tick(
                expression,
                <String as ::daemonic::RunArgument>::for_run(&city),
                context,
            ),
        )
}
