use daemonic::daemon;

#[daemon(pidfile = "/tmp/worker-{id}.pid", name = "worker {id}")]
fn example(id: u32) {
    println!("{id}");
}

fn main() {
    let _ = example("start", 3);
}
