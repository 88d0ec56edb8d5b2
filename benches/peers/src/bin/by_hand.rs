//! A daemon written by hand over nix, with every step that a safe daemon needs: the measure of all others.
//!
//! `by_hand ACTION DIRECTORY`: the pidfile and the log are in the directory.
#![allow(unsafe_code, reason = "fork and signal handlers have no safe form")]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::exit;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, pipe, setsid};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(action), Some(directory)) = (arguments.next(), arguments.next()) else {
        eprintln!("by_hand: usage: by_hand start|stop|restart|status DIRECTORY");
        exit(2);
    };
    let directory = PathBuf::from(directory);
    let (pidfile, log) = (directory.join("d.pid"), directory.join("d.log"));
    let code = match action.to_str() {
        Some("start") => start(&pidfile, &log).map(|pid| say("started", pid)),
        Some("stop") => stop(&pidfile)
            .map(|pid| pid.map_or_else(|| println!("by_hand: not running"), |pid| say("stopped", pid))),
        Some("restart") => {
            stop(&pidfile).and_then(|_| start(&pidfile, &log)).map(|pid| say("restarted", pid))
        }
        Some("status") => holder(&pidfile).map(|pid| match pid {
            Some((_, pid)) => say("running", pid),
            None => exit(3),
        }),
        _ => exit(2),
    };
    if let Err(error) = code {
        eprintln!("by_hand: {error}");
        exit(1);
    }
}

fn say(what: &str, pid: Pid) {
    println!("by_hand: {what} (pid {pid})");
}

/// Starts the daemon, and returns once it is ready.
fn start(pidfile: &Path, log: &Path) -> Result<Pid> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let log = OpenOptions::new().append(true).create(true).mode(0o644).open(log)?;
    let (reader, writer) = pipe()?;
    fcntl(&reader, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    fcntl(&writer, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(writer);
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
            waitpid(child, None)?;
            let mut report = String::new();
            File::from(reader).read_to_string(&mut report)?;
            match report.strip_prefix("ready ") {
                Some(pid) => Ok(Pid::from_raw(pid.parse()?)),
                None if report.is_empty() => Err("the daemon ended".into()),
                None => Err(report.into()),
            }
        }
        ForkResult::Child => {
            drop(reader);
            let mut writer = File::from(writer);
            if let Err(error) = become_daemon(pidfile, &null, &log, &mut writer) {
                let _ = write!(writer, "{error}");
            }
            exit(1)
        }
    }
}

fn become_daemon(pidfile: &Path, null: &File, log: &File, writer: &mut File) -> Result {
    setsid()?;
    // SAFETY: this process has one thread.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        // SAFETY: no destructor of this process may run twice.
        unsafe { libc::_exit(0) }
    }
    umask(Mode::from_bits_truncate(0o022));
    let path = CString::new(pidfile.as_os_str().as_bytes())?;
    let held = lock(pidfile)?;
    chdir("/")?;
    dup2_stdin(null)?;
    dup2_stdout(log)?;
    dup2_stderr(log)?;
    close_others([held.as_fd(), writer.as_fd()]);
    for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default action is no handler.
        unsafe { sigaction(signal, &SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty())) }?;
    }
    let _ = PIDFILE.set(path);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let handler = SigAction::new(SigHandler::Handler(on_stop), SaFlags::empty(), SigSet::all());
        // SAFETY: the handler makes async-signal-safe calls only.
        unsafe { sigaction(signal, &handler) }?;
    }
    (&held).write_all(format!("{}\n", getpid()).as_bytes())?;
    write!(writer, "ready {}", getpid())?;
    // SAFETY: nothing uses the descriptor afterwards, and the caller's `File` is never dropped.
    drop(unsafe { OwnedFd::from_raw_fd(writer.as_raw_fd()) });
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    println!("up");
    loop {
        nix::unistd::pause();
    }
}

static PIDFILE: std::sync::OnceLock<CString> = std::sync::OnceLock::new();

extern "C" fn on_stop(_: libc::c_int) {
    if let Some(path) = PIDFILE.get() {
        // SAFETY: the path ends with a NUL, and both calls are async-signal-safe.
        unsafe { libc::unlink(path.as_ptr()) };
    }
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

/// Opens and locks the pidfile, and checks that the path still leads to it.
fn lock(pidfile: &Path) -> Result<File> {
    loop {
        let file = open(pidfile, true)?;
        match fcntl(&file, FcntlArg::F_SETLK(&byte_0(libc::F_WRLCK))) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err("already running".into()),
            Err(errno) => return Err(errno.into()),
        }
        let (opened, named) = (file.metadata()?, std::fs::symlink_metadata(pidfile));
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino())) {
            if !opened.is_file() || opened.nlink() != 1 {
                return Err("not a file of its own".into());
            }
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

fn open(pidfile: &Path, create: bool) -> std::io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .mode(0o644)
        .custom_flags(flags.bits())
        .open(pidfile)
}

fn byte_0(kind: libc::c_int) -> libc::flock {
    libc::flock { l_type: kind.try_into().unwrap_or_default(), l_whence: 0, l_start: 0, l_len: 1, l_pid: 0 }
}

/// Returns the pidfile and the process that has locked it.
fn holder(pidfile: &Path) -> Result<Option<(File, Pid)>> {
    let file = match open(pidfile, false) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let pid = lock_owner(&file)?;
    Ok(pid.map(|pid| (file, pid)))
}

fn lock_owner(file: &File) -> Result<Option<Pid>> {
    let mut lock = byte_0(libc::F_WRLCK);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok((i32::from(lock.l_type) != libc::F_UNLCK).then(|| Pid::from_raw(lock.l_pid)))
}

/// Stops the daemon, and returns once it is gone.
fn stop(pidfile: &Path) -> Result<Option<Pid>> {
    let Some((file, pid)) = holder(pidfile)? else { return Ok(None) };
    // SAFETY: pidfd_open(2) takes two integers and returns a new descriptor or -1.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let process = match Errno::result(i32::try_from(process)?) {
        Err(Errno::ESRCH) => return Ok(None),
        // SAFETY: the descriptor is new.
        process => unsafe { OwnedFd::from_raw_fd(process?) },
    };
    if lock_owner(&file)? != Some(pid) {
        return Ok(None);
    }
    if !send(process.as_fd(), libc::SIGTERM)? || wait(process.as_fd(), 10_000u16)? {
        tidy(pidfile);
        return Ok(Some(pid));
    }
    send(process.as_fd(), libc::SIGKILL)?;
    wait(process.as_fd(), PollTimeout::NONE)?;
    tidy(pidfile);
    Ok(Some(pid))
}

/// Removes a pidfile that its daemon has left behind.
fn tidy(pidfile: &Path) {
    if pidfile.exists() && lock(pidfile).is_ok() {
        let _ = std::fs::remove_file(pidfile);
    }
}

fn send(process: BorrowedFd<'_>, signal: libc::c_int) -> Result<bool> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open, and a null `siginfo` is allowed.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, none, 0) };
    match Errno::result(i32::try_from(sent)?) {
        Err(Errno::ESRCH) => Ok(false),
        sent => Ok(sent.map(|_| true)?),
    }
}

fn wait(process: BorrowedFd<'_>, timeout: impl Into<PollTimeout>) -> Result<bool> {
    Ok(poll(&mut [PollFd::new(process, PollFlags::POLLIN)], timeout.into())? == 1)
}

/// Closes every descriptor above 2 but these two.
fn close_others(kept: [BorrowedFd<'_>; 2]) {
    let mut kept = kept.map(|fd| fd.as_raw_fd().unsigned_abs());
    kept.sort_unstable();
    for (first, last) in [(3, kept[0] - 1), (kept[0] + 1, kept[1] - 1), (kept[1] + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: nothing owns the descriptors between these.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}
