//! What a body may take and return.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Context, Missed, Respawn, Signal, daemon, repeat_daemon};

mod facade {
    pub(crate) use ::daemonic as renamed;
}

#[daemon]
fn endless(_speed: u8) -> ! {
    loop {
        std::thread::park();
    }
}

#[daemon(stop_timeout = Duration::from_secs(3), stop_signal = Signal::SIGINT)]
fn endless_with_context(context: &Context) -> ! {
    loop {
        let _ = context.is_stopping();
    }
}

#[daemon(pidfile = path)]
#[must_use = "it says whether it runs"]
fn exit_code(mut path: PathBuf) -> ExitCode {
    path.push("example");
    println!("{}", path.display());
    ExitCode::SUCCESS
}

#[daemon(name = name, user = user, group = 65_534)]
fn named(mut name: String, user: u32, flags: [bool; 4]) {
    name.push('!');
    println!("{name} {user} {flags:?}");
}

#[daemon(crate = facade::renamed, stop_signal = "QUIT")]
#[deprecated = "for a test"]
fn renamed(_context: &Context) -> io::Result<()> {
    std::fs::remove_file("/tmp/example.log")
}

#[repeat_daemon(every = Duration::from_secs(3), missed = Missed::Skip)]
fn lent(mut name: String, list: &mut Vec<u8>, text: &str) -> io::Result<ExitCode> {
    name.push('!');
    list.push(1);
    std::fs::write(name, text).map(|()| ExitCode::SUCCESS)
}

#[daemon(respawn = Respawn::Always, respawn_limit = limit, children = "end")]
fn respawned(mut path: PathBuf, limit: u32, _text: &str, context: &Context) -> io::Result<ExitCode> {
    path.push(limit.to_string());
    std::fs::write(path, "").map(|()| ExitCode::from(u8::from(context.is_stopping())))
}

#[repeat_daemon(respawn = policy, every = "5s", setup = path.len(), respawn_delay = Duration::from_secs(2))]
fn respawned_with_setup(length: &mut usize, mut path: String, policy: Respawn) {
    path.push('!');
    *length += path.len();
    println!("{length} {policy:?}");
}

// There is one life, so what it gets need not be `Clone`, and may be a `&mut` reference.
#[daemon(children = "end")]
fn with_children_to_end(file: std::fs::File, list: &mut Vec<u64>) -> io::Result<()> {
    list.push(file.metadata()?.len());
    drop(file);
    Ok(())
}

#[daemon(respawn = "on-failure")]
fn respawned_endless(_id: u8) -> ! {
    loop {
        std::thread::park();
    }
}

#[daemon]
#[tokio::main]
async fn asynchronous(context: Context) -> Result<(), tokio::task::JoinError> {
    tokio::task::spawn_blocking(move || context.wait(Duration::MAX)).await.map(drop)
}

struct Associated;

impl Associated {
    #[daemon]
    fn example(count: u8) {
        println!("{count}");
    }
}

trait Provided {
    #[repeat_daemon(every = "5s")]
    fn example(count: u8) {
        println!("{count}");
    }
}

impl Provided for Associated {}

#[daemon]
fn main() {
    drop(endless("no action", 3));
    drop(endless_with_context("no action"));
    drop(exit_code("no action", PathBuf::from("/tmp/example.pid")));
    drop(named(std::env::args().collect::<Vec<_>>().get(1), String::new(), 3, [true; 4]));
    #[expect(deprecated, reason = "for a test")]
    drop(renamed("no action"));
    drop(lent("no action", String::new(), &mut Vec::new(), "text"));
    drop(respawned("no action", PathBuf::new(), 3, "text"));
    drop(respawned_with_setup("no action", String::new(), Respawn::Never));
    let file = std::fs::File::open("/dev/null").unwrap();
    drop(with_children_to_end("no action", file, &mut Vec::new()));
    drop(respawned_endless("no action", 3));
    drop(asynchronous("no action"));
    drop(Associated::example("no action", 3));
    drop(<Associated as Provided>::example("no action", 3));
}
