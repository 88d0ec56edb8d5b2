#[daemon(respawn = "on-failure", respawn_delay = pause, stdout = "worker.log")]
fn worker(name: String, pause: std::time::Duration, peers: &[String], context: &daemonic::Context) {
    println!("{name} knows {peers:?}");
    context.wait(std::time::Duration::MAX);
}
