use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", setup)]
fn f(state: &mut String) {
    state.clear();
}

fn main() {
    let _ = f("status");
}
