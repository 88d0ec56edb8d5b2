//! Daemons of a library.

use std::path::Path;
use std::process::ExitCode;

use daemonic::{Context, daemon, repeat_daemon};

/// Serves.
#[daemon(pidfile = "/tmp/example.pid")]
pub fn plain() {
    println!("serving");
}

/// Serves a folder.
#[daemon(working_directory = folder)]
pub fn with_parameters(folder: &Path, mut port: u16, context: Context) -> Result<ExitCode, String> {
    port += 1;
    let waiter = std::thread::spawn(move || context.wait(std::time::Duration::from_secs(port.into())));
    let stopped = waiter.join().map_err(|_| folder.display().to_string())?;
    Ok(ExitCode::from(u8::from(stopped)))
}

/// Serves for ever.
#[daemon]
pub fn endless(_context: &Context) -> ! {
    loop {
        std::thread::park();
    }
}

/// Ticks.
#[repeat_daemon(every = "5s", times = 3, on_error = "continue")]
pub fn repeated(name: String, _times: u8, list: &mut Vec<String>) -> std::io::Result<()> {
    list.push(name);
    std::fs::write("/tmp/list", list.concat())
}

/// Waits in a runtime.
#[daemon]
#[tokio::main]
pub async fn waiting(count: u8) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Waits in a runtime that is built first.
#[tokio::main(flavor = "current_thread")]
#[repeat_daemon(every = "1m")]
pub async fn waiting_again(count: u8, context: &Context) {
    for _ in 0..count {
        if context.is_stopping() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Takes as much as clippy allows.
#[daemon]
pub fn long(ha: u8, be: u8, ce: u8, de: u8, ee: u8, ef: u8, ge: u8) {
    println!("{}", ha + be + ce + de + ee + ef + ge);
}

/// Takes as much, and a [`Context`].
#[repeat_daemon(every = "1h")]
pub fn long_and_graceful(ha: u8, be: u8, ce: u8, de: u8, ee: u8, ef: u8, _: &Context) {
    println!("{}", ha + be + ce + de + ee + ef);
}

/// Runs a parameter.
#[daemon]
pub fn named_like_ours(
    _action: &str,
    mut _context: u8,
    #[expect(unused_variables, reason = "for a test")] stop: &Context,
) {
    _context = 3;
}

/// Has a keyword for its name.
#[daemon]
pub fn r#match(r#type: &str) {
    println!("{type}");
}

/// Has the name of a variable of the expansion.
#[daemon]
pub fn action(context: u8, stop: &Context) {
    println!("{context} {}", stop.is_stopping());
}

/// Has the name of another.
#[daemon]
pub fn context(action: u8, stop: &Context) {
    println!("{action} {}", stop.is_stopping());
}
