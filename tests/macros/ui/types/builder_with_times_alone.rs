use daemonic::Daemon;

fn main() {
    let _ = Daemon::new("example").times(3);
}
