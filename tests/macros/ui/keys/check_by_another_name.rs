use daemonic::daemon;

#[daemon(validate = "80".parse::<u16>())]
fn f() {}

fn main() {
    let _ = f("status");
}
