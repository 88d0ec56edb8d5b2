use daemonic::daemon;

#[daemon]
fn main() -> &'static str {
    "done"
}
