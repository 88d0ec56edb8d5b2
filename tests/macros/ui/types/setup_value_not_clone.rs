use daemonic::repeat_daemon;

struct Token;

#[repeat_daemon(every = "5s", setup = drop(token))]
fn f(state: &mut (), token: Token) {
    let _ = (state, token);
}

fn main() {
    let _ = f("status", Token);
}
