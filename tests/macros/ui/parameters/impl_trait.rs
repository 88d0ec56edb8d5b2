use daemonic::daemon;

#[daemon]
fn example(values: Vec<impl Clone>) {
    drop(values);
}

fn main() {
    let _ = example("start", vec![1]);
}
