use daemonic::daemon;

#[daemon]
fn example() -> impl Future<Output = ()> {
    async {}
}

fn main() {
    let _ = example("start");
}
