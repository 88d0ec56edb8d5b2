use daemonic::{Daemon, Respawn};

fn main() {
    let name = String::from("example");
    let _ = Daemon::new("moves").respawn(Respawn::Always).start(move || drop(name));
}
