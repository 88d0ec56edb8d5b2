use daemonic::{daemon, repeat_daemon};

mod mine {
    pub struct Context;
}

#[daemon]
fn example(context: &mine::Context) {
    let _ = context;
}

#[repeat_daemon(every = "5s")]
fn owner(context: mine::Context) {
    let _ = context;
}

fn main() {
    let _ = (example("start"), owner("start"));
}
