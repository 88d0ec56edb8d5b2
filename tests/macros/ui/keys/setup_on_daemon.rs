use daemonic::daemon;

#[daemon(setup = String::new())]
fn f(state: &mut String) {
    state.clear();
}

fn main() {
    let _ = f("status");
}
