use daemonic::{Context, Daemon};

fn main() {
    let _ = Daemon::new("example").dispatch("start", |context: Context| drop(context));
}
