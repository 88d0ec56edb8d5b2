use daemonic::daemon;

#[daemon]
fn example(name: &'a str) {
    println!("{name}");
}

fn main() {
    let _ = example("start", "name");
}
