use daemonic::Daemon;

fn main() {
    let _ = Daemon::new("example").retry(3);
}
