use daemonic::daemon;

struct Token;

#[daemon(check = Ok::<_, String>(drop(token)))]
fn f(token: Token) {
    drop(token);
}

fn main() {
    let _ = f("status", Token);
}
