fn worker(
    action: impl ::daemonic::IntoAction,
    id: u32,
    folder: &std::path::Path,
    greeting: String,
    jobs: &[String],
) -> ::daemonic::Result {
    fn worker(id: u32, folder: &std::path::Path, mut greeting: String, jobs: &[String]) {
        greeting.push('!');
        println!("{greeting} {id} has {} jobs in {}", jobs.len(), folder.display());
    }
    ::daemonic::Daemon::new("worker")
        .pidfile(format!("/run/worker-{id}.pid"))
        .working_directory(folder)
        .dispatch(action, move || worker(id, folder, greeting, jobs))
}
