use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", setup = String::new(), setup = String::from("x"))]
fn f(state: &mut String) {
    state.clear();
}

fn main() {
    let _ = f("status");
}
