use daemonic::daemon;

#[daemon(wait_ready = "30s")]
fn example() {}

fn main() {
    let _ = example("status");
}
