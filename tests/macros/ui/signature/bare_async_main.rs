use daemonic::daemon;

#[daemon(pidfile = "/tmp/example.pid")]
async fn main() {}
