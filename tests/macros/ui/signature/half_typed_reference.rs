use daemonic::daemon;

#[daemon(pidfile = format!("/tmp/{list:?}.pid"))]
fn example(id: u8, list: &) {
    println!("{id} {list:?}");
}

fn main() {
    let _ = example("start", 3, 4);
}
