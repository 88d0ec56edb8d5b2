//! The first process of a virtual machine, whose clock a test may set.
//!
//! It follows the file `/script`, which the test has put beside it, and answers on the console. Each line is a verb with its
//! object: `clock SECONDS` sets the clock, `start EXPRESSION` starts a daemon with `cron`, `set SECONDS` sets the clock and
//! shows what the daemon reports about that, `suspend SECONDS` suspends the machine, `runs` shows the number of runs.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

const LOG: &str = "/run/log";

fn main() {
    for (kind, place) in [("proc", "/proc"), ("devtmpfs", "/dev"), ("sysfs", "/sys"), ("tmpfs", "/run")] {
        let _ = fs::create_dir(place);
        if let Err(errno) = mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>) {
            println!("guest: cannot mount {kind}: {errno}");
        }
    }
    let script = fs::read_to_string("/script").unwrap_or_default();
    for line in script.lines() {
        let (verb, object) = line.split_once(' ').unwrap_or((line, ""));
        println!("guest: {line}: {}", follow(verb, object));
    }
    println!("guest: log:\n{}", log());
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

fn follow(verb: &str, object: &str) -> String {
    match verb {
        "clock" => set_clock(object),
        "start" => start(object),
        "set" => {
            let before = reports().len();
            set_clock(object);
            wait_for(|| reports().get(before).cloned())
        }
        "suspend" => suspend(object),
        // A run follows its report, and then the daemon waits again.
        "runs" => {
            wait_for(|| is_waiting().then(|| log().lines().filter(|line| *line == "ran").count().to_string()))
        }
        _ => "unknown".into(),
    }
}

fn set_clock(seconds: &str) -> String {
    let seconds = seconds.parse().expect("a number");
    let set = clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(Duration::from_secs(seconds)));
    set.map_or_else(|errno| errno.to_string(), |()| "done".into())
}

/// Starts the daemon anew.
fn start(expression: &str) -> String {
    let act = |action: &str| {
        let mut command = Command::new("/subject");
        command.arg(action).env("SUBJECT_PIDFILE", "/run/pid").env("SUBJECT_STDOUT", LOG);
        command.env("SUBJECT_CRON", expression).env("SUBJECT_TIMEZONE", "UTC");
        let output = command.env("SUBJECT_BODY", "print ran").output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned(),
        )
    };
    act("stop");
    let _ = fs::remove_file(LOG);
    let answer = act("start");
    wait_for(|| is_waiting().then(|| answer.clone()))
}

/// Returns whether the daemon sleeps in poll(2), which it does only while it waits for the time of a run.
fn is_waiting() -> bool {
    const POLL: [&str; 2] = ["7", "271"];
    let pid = fs::read_to_string("/run/pid").unwrap_or_default();
    let call = fs::read_to_string(format!("/proc/{}/syscall", pid.trim())).unwrap_or_default();
    call.split(' ').next().is_some_and(|number| POLL.contains(&number))
}

/// Suspends the machine for some seconds, and shows what the daemon reports about that.
fn suspend(seconds: &str) -> String {
    let alarm = "/sys/class/rtc/rtc0/wakealarm";
    let suspended =
        fs::write(alarm, format!("+{seconds}")).and_then(|()| fs::write("/sys/power/state", "mem"));
    if let Err(error) = suspended {
        return format!("cannot: {error}");
    }
    wait_for(|| log().lines().find(|line| line.contains("suspended or stopped")).map(str::to_owned))
}

fn log() -> String {
    fs::read_to_string(LOG).unwrap_or_default()
}

fn reports() -> Vec<String> {
    log().lines().filter(|line| line.contains("the clock was set")).map(str::to_owned).collect()
}

fn wait_for(look: impl Fn() -> Option<String>) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(5));
    }
    "nothing".into()
}
