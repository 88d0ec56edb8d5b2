use daemonic::{Context, daemon};

#[daemon]
fn example(context: &mut Context) {
    while !context.is_stopping() {}
}

fn main() {
    let _ = example("start");
}
