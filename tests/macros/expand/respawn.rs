#[daemon(respawn = "on-failure", respawn_delay = pause, stdout = "worker.log")]
fn worker(mut name: String, pause: std::time::Duration, peers: &[String], context: &daemonic::Context) {
    name.push('!');
    println!("{name} knows {peers:?}");
    while !context.wait(std::time::Duration::MAX) {}
}
