#[repeat_daemon(cron = expression, timezone = format!("Europe/{city}"), pidfile = format!("/tmp/{city}.pid"))]
fn tick(expression: &str, city: &str, context: &daemonic::Context) {
    println!("{expression} in {city}: {context:?}");
}
