use daemonic::daemon;

#[daemon(stdout = std::io::stdout())]
fn example() {}

fn main() {
    let _ = example("start");
}
