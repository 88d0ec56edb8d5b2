use daemonic::{Context, repeat_daemon};

mod inside {
    pub struct State {
        pub path: String,
    }
}

#[repeat_daemon(every = "5s", pidfile = &state.path)]
fn example(name: String, state: inside::State, job: Box<dyn FnMut(u8)>, context: &Context) {
    drop((name, state, job, context.clone()));
}

fn main() {
    let state = inside::State { path: String::new() };
    let _ = example("start", String::new(), state, Box::new(|_| ()));
}
