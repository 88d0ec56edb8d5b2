use daemonic::daemon;

#[daemon]
fn example() -> {
    println!("runs");
}

fn main() {
    let _ = example("start");
}
