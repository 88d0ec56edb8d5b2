use daemonic::daemon;

#[daemon]
#[inline]
#[must_use]
async fn example() {}

fn main() {
    let _ = example("start");
}
