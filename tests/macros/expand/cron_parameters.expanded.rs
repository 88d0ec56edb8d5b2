fn tick(
    action: impl ::daemonic::IntoAction,
    expression: &str,
    city: &str,
) -> ::daemonic::Result {
    fn tick(expression: &str, city: &str, context: &daemonic::Context) {
        println!("{expression} in {city}: {context:?}");
    }
    ::daemonic::Daemon::new("tick")
        .pidfile(format!("/tmp/{city}.pid"))
        .cron(expression)
        .timezone(format!("Europe/{city}"))
        .dispatch(
            action,
            move |context: &::daemonic::Context| tick(expression, city, context),
        )
}
