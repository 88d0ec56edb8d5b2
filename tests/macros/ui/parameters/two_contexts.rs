use daemonic::{Context, daemon};

#[daemon]
fn example(one: &Context, two: Context) {
    while !one.is_stopping() && !two.is_stopping() {}
}

fn main() {
    let _ = example("start");
}
