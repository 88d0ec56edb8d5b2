use daemonic::daemon;

#[daemon(user = "nob\0dy")]
fn example() {}

fn main() {
    let _ = example("start");
}
