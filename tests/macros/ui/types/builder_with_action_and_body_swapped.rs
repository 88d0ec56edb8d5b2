use daemonic::Daemon;

fn work() {}

fn main() {
    let _ = Daemon::new("example").dispatch(work, "start");
}
