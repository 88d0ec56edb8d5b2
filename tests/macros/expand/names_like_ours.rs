#[daemon(pidfile = format!("/run/{action}.pid"))]
fn context(action: &str, _context: &daemonic::Context) {
    println!("{action}");
}
