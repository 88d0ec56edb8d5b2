#[daemon(pidfile = "/tmp/example.pid")]
fn main() {
    println!("testing daemon ...");
}
