use daemonic::{Context, daemon};

#[daemon(wait_ready = 30)]
fn example(context: &Context) {
    context.ready();
}

fn main() {
    let _ = example("start");
}
