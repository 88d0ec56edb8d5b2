use daemonic::{Context, repeat_daemon};

#[repeat_daemon(every = "5s", setup = String::new())]
fn f(context: &Context) {
    let _ = context.is_stopping();
}

fn main() {
    let _ = f("status");
}
