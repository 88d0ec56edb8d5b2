use daemonic::daemon;

#[daemon(name = "exam\0ple")]
fn example() {}

fn main() {
    let _ = example("start");
}
