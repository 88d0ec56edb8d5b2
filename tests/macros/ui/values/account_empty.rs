use daemonic::daemon;

#[daemon(user = "", group = "")]
fn example() {}

fn main() {
    let _ = example("start");
}
