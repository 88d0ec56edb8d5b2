use daemonic::daemon;

#[daemon(pidfile = path_of_the_pidfile)]
fn example() {}

fn main() {
    let _ = example("start");
}
