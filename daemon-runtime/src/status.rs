//! How long a process has been there.

use std::time::Duration;

use nix::unistd::Pid;

/// Gives the age of a process, as
/// [`/proc/PID/stat`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) and the clock since boot
/// tell it, where there is a `/proc`.
#[cfg(target_os = "linux")]
pub(crate) fn age(pid: Pid) -> Option<Duration> {
    use std::fs::File;
    use std::io::Read;

    use nix::time::{ClockId, clock_gettime};

    let mut text = [0; 1024];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut text).ok()?;
    let ticks = start_ticks(&String::from_utf8_lossy(&text[..length]))?;
    let per_second = crate::sys::clock_ticks()?;
    let started = Duration::from_secs(ticks / per_second)
        + Duration::from_secs(ticks % per_second) / u32::try_from(per_second).ok()?;
    Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?).checked_sub(started)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn age(_: Pid) -> Option<Duration> {
    None
}

/// Reads the 22nd field. The second one is the command in parentheses, which may itself hold spaces and
/// parentheses.
#[cfg(target_os = "linux")]
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_hides_no_field() {
        let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2 3";
        assert_eq!(start_ticks(stat), Some(987_654));
    }
}
