use daemonic::daemon;

#[daemon(chekc = "80".parse::<u16>())]
fn f() {}

fn main() {
    let _ = f("status");
}
