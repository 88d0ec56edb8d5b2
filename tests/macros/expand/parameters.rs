#[daemon(pidfile = format!("/run/worker-{id}.pid"), working_directory = folder)]
fn worker(id: u32, folder: &std::path::Path, mut greeting: String, jobs: &[String]) {
    greeting.push('!');
    println!("{greeting} {id} has {} jobs in {}", jobs.len(), folder.display());
}
