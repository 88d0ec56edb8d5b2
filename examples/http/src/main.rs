//! An HTTP server as a daemon.
//!
//! It is ready when it listens, reloads its greeting, and answers every accepted request before it
//! stops. Try `cargo run -p example-http -- start`, then `curl localhost:8080`, `reload` and `stop`.
//! Another address is one more argument (`start localhost:8081`). The greeting is in
//! `~/daemon_http.txt`.

mod door;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{env, fs, io, path};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use daemonic::{Context, Event, daemon};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::door::Door;

/// The text that every request returns. A reload replaces it.
type Greeting = Arc<RwLock<String>>;

fn main() -> ExitCode {
    // This code runs for every action, also for `status`, so it binds and opens nothing.
    let address = env::args().nth(2).unwrap_or("localhost:8080".into());
    // The directory of a daemon in the background is `/`, so a relative path would lead elsewhere.
    let file = path::absolute(home("daemon_http.txt")).expect("a path that is not empty");
    daemonic::report(http(env::args().nth(1), &address, &file))
}

/// `#[daemon]` comes first, so that tokio's runtime is built in the daemon. A runtime does not survive
/// a fork.
#[daemon(
    pidfile = home("daemon_http.pid"),
    stdout = home("daemon_http.log"),
    wait_ready = "10s",
    stop_timeout = "30s",
)]
#[tokio::main]
async fn http(address: &str, file: &Path, context: Context) -> Result<(), Box<dyn Error>> {
    let greeting = Greeting::new(RwLock::new(read(file)?));
    let pages =
        Router::new().route("/", get(greet)).route("/slow", get(greet_slowly)).with_state(greeting.clone());

    // The daemon is not ready yet, so an error here is the error of `start`.
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot bind {address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    context.ready();

    let door = Door::new(listener, context.clone());
    let stop = live(context, file.to_owned(), greeting);
    axum::serve(door, pages).with_graceful_shutdown(stop).await?;
    println!("every request is answered");
    Ok(())
}

/// Reloads the greeting on each reload, and returns when connections without a request may be closed.
async fn live(context: Context, file: PathBuf, greeting: Greeting) {
    while context.event().await == Event::Reload {
        // The action `reload` prints this result. After an error the server keeps the old greeting.
        context.reloaded(
            read(&file).map(|text| *greeting.write().expect("no panic while it is written") = text),
        );
    }
    println!("stopping");
    // A client that has connected may have a request on the way.
    sleep(Duration::from_millis(250)).await;
}

async fn greet(State(greeting): State<Greeting>) -> String {
    greeting.read().expect("no panic while it is written").clone()
}

/// Answers after two seconds, which shows that a stop waits for the answer.
async fn greet_slowly(greeting: State<Greeting>) -> String {
    println!("a slow request has come");
    sleep(Duration::from_secs(2)).await;
    greet(greeting).await
}

fn read(file: &Path) -> Result<String, String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("Hello!\n".into()),
        text => text.map_err(|error| format!("cannot read {}: {error}", file.display())),
    }
}

fn home(file: &str) -> PathBuf {
    env::home_dir().unwrap_or_else(env::temp_dir).join(file)
}
