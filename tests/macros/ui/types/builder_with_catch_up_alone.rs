use daemonic::Daemon;

fn main() {
    let _ = Daemon::new("example").catch_up(true);
    let _ = Daemon::new("example").state("example.state");
    let _ = Daemon::new("example").once(|| ());
}
