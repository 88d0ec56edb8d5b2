use daemonic::daemon;

#[daemon]
fn example(ref name: String) {
    println!("{name}");
}

fn main() {
    let _ = example("start", String::new());
}
