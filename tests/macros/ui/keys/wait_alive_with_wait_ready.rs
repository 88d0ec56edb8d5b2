use daemonic::{Context, daemon};

#[daemon(wait_alive = "2s", wait_ready = "10s")]
fn serve(context: &Context) {
    context.ready();
}

fn main() {}
