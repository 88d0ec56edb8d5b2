//! Parameters that only keys use, which the compiler must not call unused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daemonic::{Context, Missed, daemon, repeat_daemon};

/// Where a daemon is.
#[derive(Clone, Copy)]
struct Place {
    port: u16,
}

impl Place {
    const fn id(self) -> u16 {
        self.port
    }
}

const fn tenth(duration: &Duration) -> Duration {
    Duration::from_millis(duration.as_secs() * 100)
}

#[repeat_daemon(every = period)]
fn every(period: Duration) {}

#[repeat_daemon(every = tenth(&period), times = times + 1, missed = missed, pidfile = pidfile)]
fn all_of_a_repetition(period: Duration, times: u64, missed: Missed, pidfile: &Path, context: &Context) {
    println!("{}", context.is_stopping());
}

#[daemon(
    name = name,
    pidfile = format!("/run/{name}-{id:>width$}.pid"),
    working_directory = directory.join("work"),
    umask = !mask,
    close_fds = close,
    wait_ready = timeout,
    user = r#type,
    stop_timeout = Duration::from_secs(place.port.into())
)]
fn every_kind(
    name: &str,
    id: u32,
    width: usize,
    directory: PathBuf,
    mask: u32,
    close: bool,
    timeout: Duration,
    r#type: u32,
    place: Place,
    context: &Context,
) {
    println!("{}", context.is_stopping());
    drop(directory);
}

#[daemon(pidfile = format!("/run/{id}.pid"))]
fn of_a_namesake(id: u32) {
    let place = Place { port: 3 };
    println!("{}", place.id());
}

#[daemon(pidfile = format!("/run/{id}.pid"))]
fn changed(mut id: u32) {
    id += 1;
    println!("{id}");
}

#[daemon(name = name)]
#[tokio::main(flavor = "current_thread")]
async fn asynchronous(name: &str) {}

struct Associated;

impl Associated {
    #[daemon(pidfile = path)]
    fn example(path: &Path) {}
}

macro_rules! daemons {
    ($(fn $name:ident($arg:ident: $ty:ty) $key:ident = $value:expr_2021;)*) => {
        $(#[daemon($key = $value)] fn $name($arg: $ty, own: u8) { println!("{own}"); })*
    };
}

daemons! {
    fn by_a_macro(id: u32) pidfile = format!("/run/{id}.pid");
    fn by_a_macro_too(path: &Path) pidfile = path;
}

#[daemon]
fn main() {
    drop(every("no action", Duration::ZERO));
    let path = Path::new("/run/example.pid");
    drop(all_of_a_repetition("no action", Duration::ZERO, 1, Missed::Skip, path));
    let place = Place { port: 3 };
    drop(every_kind("no action", "", 1, 2, path.into(), 0, true, Duration::ZERO, 3, place));
    drop(of_a_namesake("no action", 3));
    drop(changed("no action", 3));
    drop(asynchronous("no action", "name"));
    drop(Associated::example("no action", path));
    drop(by_a_macro("no action", 3, 4));
    drop(by_a_macro_too("no action", path, 4));
}
