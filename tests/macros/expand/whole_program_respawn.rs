#[daemon(respawn = "never", children = daemonic::Children::Leave)]
fn main() {
    println!("a line");
}
