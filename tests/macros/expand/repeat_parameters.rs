#[repeat_daemon(missed = "delay", every = "1m 30s", on_error = "continue", stdout = log)]
fn fetch(url: String, log: &std::path::Path, context: &daemonic::Context) -> Result<(), String> {
    if context.is_stopping() {
        return Err(url + " is still to be fetched");
    }
    println!("see {}", log.display());
    Ok(())
}
