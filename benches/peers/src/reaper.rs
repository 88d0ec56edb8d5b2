//! A parent for the daemons whose launchers have ended: it takes their exit statuses at once.
//!
//! Process 1 of some containers does so late, and until then `kill(pid, 0)` takes a dead process for a living one.

use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

const INNER: &str = "DAEMONIC_PEERS_INNER";

/// Closes what the caller has left open. Otherwise each daemon would inherit it, and most close it.
const CLEAN: &str =
    r#"for fd in /proc/self/fd/*; do fd=${fd##*/}; ((fd < 3)) || eval "exec $fd>&-"; done; exec "$@""#;

/// Runs the work in a child and reaps every orphan below it, until the child ends.
pub fn with_reaper(work: impl FnOnce()) -> ExitCode {
    if std::env::var_os(INNER).is_some() {
        work();
        return ExitCode::SUCCESS;
    }
    nix::sys::prctl::set_child_subreaper(true).expect("a subreaper");
    let program = std::env::current_exe().expect("this program");
    #[expect(clippy::zombie_processes, reason = "the loop below waits for it")]
    let inner = Command::new("env")
        .args(["--default-signal", "bash", "-c", CLEAN, "bash"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INNER, "1")
        .spawn()
        .expect("this program");
    let inner = Pid::from_raw(inner.id().try_into().expect("a PID"));
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == inner => {
                return ExitCode::from(u8::try_from(code).unwrap_or(1));
            }
            Ok(WaitStatus::Signaled(pid, ..)) if pid == inner => return ExitCode::FAILURE,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => panic!("waitpid: {errno}"),
        }
    }
}
