use daemonic::{Context, Daemon};

fn work(context: Context) {
    drop(context);
}

fn main() {
    let _ = Daemon::new("example").dispatch("start", work);
}
