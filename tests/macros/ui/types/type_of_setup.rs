use daemonic::repeat_daemon;

struct Unspeakable;

#[repeat_daemon(every = "5s", setup = 1)]
fn number(state: &mut String) {
    state.clear();
}

#[repeat_daemon(every = "5s", setup = std::fs::File::open("/"))]
fn result(state: &mut String) {
    state.clear();
}

#[repeat_daemon(every = "5s", setup = Err::<String, _>(Unspeakable))]
fn error(state: &mut String) {
    state.clear();
}

fn main() {}
