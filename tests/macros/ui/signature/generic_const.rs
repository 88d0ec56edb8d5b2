use daemonic::daemon;

#[daemon]
fn example<const N: usize>(values: [u8; N]) {
    drop(values);
}

fn main() {
    let _ = example("start", [1, 2]);
}
