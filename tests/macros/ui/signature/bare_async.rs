use daemonic::daemon;

#[daemon]
async fn example() {}

fn main() {
    let _ = example("start");
}
