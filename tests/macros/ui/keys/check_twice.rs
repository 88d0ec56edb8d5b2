use daemonic::daemon;

#[daemon(check = "80".parse::<u16>(), check = "81".parse::<u16>())]
fn f() {}

fn main() {
    let _ = f("status");
}
