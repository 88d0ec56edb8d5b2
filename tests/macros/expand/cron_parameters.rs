#[repeat_daemon(cron = expression, timezone = format!("Europe/{city}"), pidfile = format!("/tmp/{city}.pid"))]
fn tick(expression: &str, city: String, context: &Context) {
    println!("{expression} in {city}: {context:?}");
}
