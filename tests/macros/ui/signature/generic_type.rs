use daemonic::daemon;

#[daemon]
fn example<T: Clone>(value: T) {
    drop(value);
}

fn main() {
    let _ = example("start", 1);
}
