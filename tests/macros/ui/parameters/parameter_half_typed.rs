use daemonic::daemon;

#[daemon(pidfile = format!("/tmp/{id}.pid"))]
fn example(id: u8, count) {
    println!("{id} {count}");
}

fn main() {
    let _ = example("start", 3, 4);
}
