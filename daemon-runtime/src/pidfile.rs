//! The pidfile: whose lock it carries, taking that lock, writing, removing.
//!
//! Who is running is what the kernel says, never what the file says. A daemon holds a POSIX record lock
//! ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)) on its pidfile for
//! life; such a lock goes with the process however it dies, isn't inherited by its children, and
//! `F_GETLK` names its holder. Three bytes have three meanings:
//!
//! | byte | locked by | means |
//! |---|---|---|
//! | 0 | the daemon | I run |
//! | 1 | the daemon, or whoever removes a stale file | this file is in use |
//! | 2 | the daemon, by an open-file-description lock | still in use, even if the body has closed a descriptor of this file, which drops the other two |

use std::ffi::{CStr, CString, OsString, c_int};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{geteuid, write};

use crate::error::{Error, Result, shown};
use crate::proc;
use crate::sys::{
    self, FileId, Lock, Pid, Stat, Sys, ThisProcess, above_floor, getpid, is_free, now, record_lock,
};

const DAEMON: i64 = 0;
const IN_USE: i64 = 1;
const SURVIVOR: i64 = 2;

/// A longer file is nobody's pidfile.
const LONGEST: i64 = 32;

/// How often something is tried again that passes as a rule: for a second from the first failure on, so that at
/// least one more try is made however slow the machine is.
#[derive(Default)]
pub(crate) struct Patience(Option<Duration>);

impl Patience {
    /// Tells whether the second is over; if not, pauses a little.
    pub(crate) fn is_over(&mut self) -> bool {
        let since = *self.0.get_or_insert_with(now);
        if now().saturating_sub(since) > Duration::from_secs(1) {
            return true;
        }
        sleep(Duration::from_millis(1));
        false
    }
}

/// Where a daemon's pidfile is, as an absolute path.
#[derive(Clone)]
pub(crate) struct Pidfile {
    path: CString,
}

/// What a pidfile says about its daemon.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// There is no file, or an empty one.
    Nobody,
    /// There is a file with some text, and nobody holds it.
    Stale,
    /// A process holds it.
    Holder(Pid),
    /// This very process holds it.
    Own,
    /// A process holds it that the kernel can't name.
    Unnamed,
}

/// What has come of an attempt to lock the file.
enum Attempt {
    Locked,
    /// A reader or a remover has some of it.
    InUse,
    /// Something of an earlier daemon has byte 2.
    Survived,
}

/// A look at a pidfile, which can be repeated: it keeps asking the same file.
pub(crate) struct Look {
    pub(crate) presence: Presence,
    file: Option<Probe>,
}

impl Look {
    /// Tells whether the process that the kernel names is the one that has the lock; none if that can't be
    /// seen.
    pub(crate) fn names_the_right(&self, pid: Pid) -> Option<bool> {
        self.file.as_ref().and_then(|probe| proc::holds_lock(pid, probe.id))
    }

    /// Asks anew who holds the file.
    pub(crate) fn now(&self) -> Sys<Presence> {
        self.file.as_ref().map_or(Ok(Presence::Nobody), |probe| presence(probe.file(), Presence::Nobody))
    }

    /// Tells whether the process still holds the file.
    pub(crate) fn is_still_held_by(&self, pid: Pid) -> Sys<bool> {
        Ok(self.now()? == Presence::Holder(pid))
    }
}

impl Pidfile {
    pub(crate) fn new(path: CString) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &CStr {
        &self.path
    }

    pub(crate) fn to_path(&self) -> PathBuf {
        OsString::from_vec(self.path.to_bytes().to_vec()).into()
    }

    /// Warns root of a folder in which anybody may replace the file.
    pub(crate) fn warning(&self) -> Option<String> {
        let folder = self.to_path().parent()?.to_owned();
        let mode = geteuid().is_root().then(|| fs::metadata(&folder))?.ok()?.mode();
        let open_to_all = mode & 0o1002 == 0o002;
        open_to_all.then(|| {
            format!("anybody may replace the pidfile: the folder {} is writable by all", folder.display())
        })
    }

    /// Looks who holds the file, without changing anything.
    ///
    /// A holder without a name is looked at again for a second: a daemon that starts between two questions, or
    /// that was killed and whose files the kernel is still closing, is one for a moment.
    pub(crate) fn look(&self) -> Result<Look> {
        let mut patience = Patience::default();
        loop {
            let look = self.glance()?;
            if look.presence != Presence::Unnamed || patience.is_over() {
                return Ok(look);
            }
        }
    }

    /// Looks who holds the file, and tells whether it was seen to be the process that the kernel names; where that
    /// can be seen and isn't so, the holder is unnamed.
    pub(crate) fn look_closely(&self) -> Result<(Presence, bool)> {
        let mut patience = Patience::default();
        loop {
            let look = self.look()?;
            let seen = match look.presence {
                Presence::Holder(pid) => look.names_the_right(pid),
                _ => None,
            };
            if seen != Some(false) {
                return Ok((look.presence, seen.is_some()));
            }
            if patience.is_over() {
                return Ok((Presence::Unnamed, false));
            }
        }
    }

    fn glance(&self) -> Result<Look> {
        let alone = |presence| Ok(Look { presence, file: None });
        if is_own(&held(), &self.path) {
            return alone(Presence::Own);
        }
        let Some((probe, stat)) = self.probe(libc::O_RDONLY)? else { return alone(Presence::Nobody) };
        let free = if stat.st_size == 0 { Presence::Nobody } else { Presence::Stale };
        let presence = presence(probe.file(), free).map_err(|errno| self.cannot("query", errno))?;
        if presence == free {
            if !is_same(self.path(), &stat) {
                // Its daemon has ended since we opened it.
                return self.glance();
            }
            self.check_length(&stat)?;
        }
        Ok(Look { presence, file: Some(probe) })
    }

    /// Opens the file as it is; none if there is none.
    fn probe(&self, access: c_int) -> Result<Option<(Probe, Stat)>> {
        let file = match sys::open(self.path(), access | SAFELY, 0) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.cannot_open(errno)),
        };
        let stat = sys::fstat(&file).map_err(|errno| self.cannot("examine", errno))?;
        let probe = Probe { file: Some(file), id: FileId::from_stat(&stat) };
        self.check(&stat)?;
        Ok(Some((probe, stat)))
    }

    /// Takes the lock, empties the file and writes this process's PID.
    ///
    /// A failure leaves no file behind that nobody holds, unless it can't even be locked.
    pub(crate) fn acquire(&self) -> Result<Held> {
        self.try_to_acquire().inspect_err(|error| {
            if !error.is_already_running() {
                let _ = self.remove_stale(false);
            }
        })
    }

    fn try_to_acquire(&self) -> Result<Held> {
        let mut all = held();
        if is_own(&all, &self.path) {
            return Err(Error::already_running(getpid()));
        }
        let mut patience = Patience::default();
        let (file, stat) = loop {
            let file = self.open_or_create()?;
            let stat = sys::fstat(&file).map_err(|errno| self.cannot("examine", errno))?;
            self.check(&stat)?;
            let refusal = match self.try_lock(&file, FileId::from_stat(&stat))? {
                // Removed or replaced before we had the lock: it is another file's turn.
                Attempt::Locked if !is_same(self.path(), &stat) => self.no_lock(&file),
                Attempt::Locked => break (file, stat),
                Attempt::InUse => self.no_lock(&file),
                Attempt::Survived => Error::unnamed(self.path()),
            };
            if patience.is_over() {
                return Err(refusal);
            }
        };
        self.check_length(&stat)?;
        let held =
            Held { path: self.path.clone(), file, id: FileId::from_stat(&stat), owner: ThisProcess::know() };
        all.push(Own { owner: held.owner, id: held.id, path: held.path.clone(), probes: Vec::new() });
        drop(all);
        held.fill(&stat).map_err(|errno| self.cannot("write", errno))?;
        Ok(held)
    }

    /// Removes the file if nobody holds it. `witnessed` says that the caller has seen its daemon end,
    /// so that a child which outlived that daemon doesn't count as a holder, and it is a pidfile whatever it says.
    pub(crate) fn remove_stale(&self, witnessed: bool) -> Result<()> {
        let Some((probe, stat)) = &self.probe(libc::O_RDWR)? else { return Ok(()) };
        let file = probe.file();
        if !witnessed {
            self.check_length(stat)?;
        }
        let removed = (|| {
            if lock(file, IN_USE, 1).is_err() || !is_same(self.path(), stat) {
                return Ok(());
            }
            if holder(file, DAEMON)?.is_some() || !witnessed && holder(file, SURVIVOR)?.is_some() {
                return Ok(());
            }
            sys::unlink(self.path())
        })();
        removed.map_err(|errno| self.cannot("remove stale", errno))
    }

    /// Removes the file after a start that has failed: the kernel may still be closing what the daemon had open.
    pub(crate) fn clear(&self) {
        let mut patience = Patience::default();
        while self.glance().is_ok_and(|look| look.presence == Presence::Unnamed) && !patience.is_over() {}
        let _ = self.remove_stale(false);
    }

    /// Waits until a process that was killed has let the file go.
    pub(crate) fn await_release(&self, pid: Pid) {
        let mut patience = Patience::default();
        while self.glance().is_ok_and(|look| look.presence == Presence::Holder(pid)) && !patience.is_over() {}
    }

    /// Opens the file to write, or makes it. Not with `O_CREAT` alone: in a sticky folder that refuses
    /// root somebody else's file (`fs.protected_regular`).
    fn open_or_create(&self) -> Result<OwnedFd> {
        let opened = loop {
            match sys::open(self.path(), libc::O_RDWR | SAFELY, 0) {
                Err(Errno::ENOENT) => {}
                other => break other,
            }
            match sys::open(
                self.path(),
                libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | SAFELY,
                READABLE.into(),
            ) {
                // Somebody made it meanwhile; or removed it, and we made ours.
                Err(Errno::EEXIST) => {}
                other => break other,
            }
        };
        // Before it is locked: what is put on a standard stream closes what was there, and a lock with it.
        opened.and_then(above_floor).map_err(|errno| self.cannot_open(errno))
    }

    /// Refuses what can't be a pidfile, and leaves it as it is.
    fn check(&self, stat: &Stat) -> Result<()> {
        match sys::kind(stat) {
            libc::S_IFREG => {}
            kind => return Err(self.is_no_file(kind)),
        }
        if stat.st_nlink > 1 {
            return Err(Error::failed(format_args!(
                "pidfile {} has {} hard links; remove the others or choose another `pidfile`",
                shown(self.path()),
                stat.st_nlink
            )));
        }
        Ok(())
    }

    /// Refuses a file with more in it than a PID, if nobody holds it: what a daemon writes into its own makes it no
    /// less a pidfile.
    fn check_length(&self, stat: &Stat) -> Result<()> {
        if stat.st_size > LONGEST {
            return Err(Error::failed(format_args!(
                "{} is no pidfile: it has {} bytes; choose another `pidfile`",
                shown(self.path()),
                stat.st_size
            )));
        }
        Ok(())
    }

    /// Takes both kinds of lock, or says who is in the way: a daemon is an error, all else is worth another try.
    fn try_lock(&self, file: &OwnedFd, id: FileId) -> Result<Attempt> {
        match lock(file, DAEMON, 2) {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => {
                return self.refuse_if_held(file, id).map(|()| Attempt::InUse);
            }
            Err(errno) => return Err(self.cannot("lock", errno)),
        }
        match lock_description(file, SURVIVOR) {
            // A file system or kernel that has no such locks goes without the second line of defence.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
                Ok(Attempt::Locked)
            }
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(Attempt::Survived),
            Err(errno) => Err(self.cannot("lock", errno)),
        }
    }

    /// A refused lock is final if the daemon holds it, and worth another try if somebody else does.
    fn refuse_if_held(&self, file: &OwnedFd, id: FileId) -> Result<()> {
        match holder(file, DAEMON).map_err(|errno| self.cannot("query", errno))? {
            // The one who took it is gone, and has left it to another.
            Some(Presence::Holder(pid)) if proc::holds_lock(pid, id) == Some(false) => Ok(()),
            Some(Presence::Holder(pid)) => Err(Error::already_running(pid)),
            Some(_) => Err(Error::unnamed(self.path())),
            None => Ok(()),
        }
    }

    /// Says who is in the way though no daemon is: a reader's lock, or a remover that hangs.
    fn no_lock(&self, file: &OwnedFd) -> Error {
        let path = shown(self.path());
        match first_lock(file, Lock::Write, DAEMON, 2) {
            Ok(Some(lock)) if lock.l_pid > 0 => Error::failed(format_args!(
                "cannot lock pidfile {path}: held by pid {}, which is not its daemon",
                lock.l_pid
            )),
            _ => {
                Error::failed(format_args!("cannot lock pidfile {path}: it is held or replaced all the time"))
            }
        }
    }

    fn cannot(&self, verb: &str, errno: Errno) -> Error {
        Error::os(format_args!("cannot {verb} pidfile {}", shown(self.path())), errno)
    }

    /// Says why the path can't be opened.
    fn cannot_open(&self, errno: Errno) -> Error {
        match errno {
            IS_LINK => Error::failed(format_args!(
                "pidfile {} is a symbolic link; give the path of the file itself",
                shown(self.path())
            )),
            Errno::EISDIR => self.is_no_file(libc::S_IFDIR),
            Errno::ENXIO => self.is_no_file(libc::S_IFSOCK),
            _ => Error::cannot_open("pidfile", self.path(), errno),
        }
    }

    fn is_no_file(&self, kind: libc::mode_t) -> Error {
        let kind = match kind {
            libc::S_IFDIR => "directory",
            libc::S_IFIFO => "FIFO",
            libc::S_IFSOCK => "socket",
            _ => "device",
        };
        let path = shown(self.path());
        Error::failed(format_args!("pidfile {path} is a {kind}, not a regular file"))
    }
}

/// Never follows a link, never hangs on a FIFO, never gets a terminal, never reaches a child.
const SAFELY: c_int = libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

/// Anybody may read it, nobody else may write to it.
const READABLE: u16 = 0o644;

/// What `O_NOFOLLOW` fails with: ELOOP, says POSIX.
const IS_LINK: Errno = match () {
    #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
    () => Errno::EMLINK,
    #[cfg(target_os = "netbsd")]
    () => Errno::EFTYPE,
    #[cfg(not(any(target_os = "freebsd", target_os = "dragonfly", target_os = "netbsd")))]
    () => Errno::ELOOP,
};

/// The pidfile that this process holds; the lock goes with it.
#[must_use = "dropping this removes the pidfile and releases the lock"]
pub(crate) struct Held {
    path: CString,
    file: OwnedFd,
    id: FileId,
    owner: ThisProcess,
}

impl Held {
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Gives the process that holds it: a child that the body has forked doesn't.
    pub(crate) fn owner(&self) -> ThisProcess {
        self.owner
    }

    /// Writes this process's PID into the file, which anybody may read whatever the umask.
    fn fill(&self, before: &Stat) -> Sys<()> {
        if before.st_mode & 0o7777 != READABLE.into() {
            sys::fchmod(&self.file, READABLE.into())?;
        }
        if before.st_size > 0 {
            sys::empty(&self.file)?;
        }
        let text = format!("{}\n", self.owner.pid());
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match write(&self.file, rest) {
                Ok(0) => return Err(Errno::EIO),
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    // A limit of the file's length (RLIMIT_FSIZE) raises a signal too. It is blocked here, and would
                    // end a caller in the foreground before it can say why.
                    sys::take_back(libc::SIGXFSZ);
                    return Err(errno);
                }
            }
        }
        Ok(())
    }

    /// Removes the file unless the path has become another's; where that isn't allowed, or the path is
    /// outside a chroot, empties it. Async-signal-safe, and harmless when repeated.
    pub(crate) fn remove(&self) {
        let path = self.path.as_c_str();
        let is_ours = sys::lstat(path).is_ok_and(|stat| self.id.is_of(&stat));
        if is_ours && sys::unlink(path).is_ok() {
            return;
        }
        // A body that closes what it doesn't know may have a file of its own under the number by now.
        if sys::fstat(&self.file).is_ok_and(|stat| self.id.is_of(&stat)) {
            let _ = sys::empty(&self.file);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A child that the body has forked holds no lock.
        if self.owner == ThisProcess::here() {
            self.remove();
            held().retain(|own| (own.owner, own.id) != (self.owner, self.id));
        }
    }
}

/// The files that this process holds. A forked child inherits the list but not the locks, so each
/// entry has its owner.
static HELD: Mutex<Vec<Own>> = Mutex::new(Vec::new());

struct Own {
    owner: ThisProcess,
    id: FileId,
    path: CString,
    /// What can't be closed as long as the lock is to last.
    probes: Vec<OwnedFd>,
}

/// A descriptor by which a pidfile is looked at.
///
/// Closing any descriptor of a file drops this process's record locks on it. So if another thread has taken the lock
/// meanwhile, it is left to that to close this one.
struct Probe {
    file: Option<OwnedFd>,
    id: FileId,
}

impl Probe {
    fn file(&self) -> &OwnedFd {
        self.file.as_ref().expect("a file until the drop")
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut all = held();
        let mut own = all.iter_mut().filter(|own| own.id == self.id && own.owner == ThisProcess::here());
        match own.next() {
            Some(own) => own.probes.extend(self.file.take()),
            None => self.file = None,
        }
    }
}

fn held() -> MutexGuard<'static, Vec<Own>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whether this process holds the file at a path, without opening it. From inside a chroot its own path
/// may lead nowhere.
fn is_own(held: &[Own], path: &CStr) -> bool {
    if held.is_empty() {
        return false;
    }
    let (here, found) = (ThisProcess::here(), sys::lstat(path));
    held.iter()
        .any(|own| own.owner == here && found.map_or(own.path.as_c_str() == path, |stat| own.id.is_of(&stat)))
}

/// Tells whether a path still leads to a file that has been opened by it.
fn is_same(path: &CStr, file: &Stat) -> bool {
    sys::lstat(path).is_ok_and(|stat| FileId::from_stat(file).is_of(&stat))
}

/// Asks who holds a file; `free` is what to call it if nobody does.
fn presence(file: &OwnedFd, free: Presence) -> Sys<Presence> {
    Ok(match holder(file, DAEMON)? {
        Some(presence) => presence,
        None => holder(file, SURVIVOR)?.map_or(free, |_| Presence::Unnamed),
    })
}

/// Tells who write-locks a byte. A reader's lock doesn't count: anybody who may read the file can take one.
fn holder(file: &OwnedFd, byte: i64) -> Sys<Option<Presence>> {
    Ok(first_lock(file, Lock::Read, byte, 1)?.map(|lock| match lock.l_pid {
        pid if pid > 0 => Presence::Holder(Pid::from_raw(pid)),
        _ => Presence::Unnamed,
    }))
}

/// Asks for the first lock that would be in the way of one of ours.
fn first_lock(file: impl AsFd, kind: Lock, byte: i64, length: i64) -> Sys<Option<libc::flock>> {
    let lock = sys::query_lock(file, record_lock(kind, byte, length))?;
    Ok((!is_free(&lock)).then_some(lock))
}

fn lock(file: &OwnedFd, byte: i64, length: i64) -> Sys<()> {
    sys::set_lock(file, &record_lock(Lock::Write, byte, length))
}

#[cfg(target_os = "linux")]
fn lock_description(file: &OwnedFd, byte: i64) -> Sys<()> {
    sys::set_description_lock(file, &record_lock(Lock::Write, byte, 1))
}

/// POSIX.1-2024 has such locks, but not yet the systems.
#[cfg(not(target_os = "linux"))]
fn lock_description(_: &OwnedFd, _: i64) -> Sys<()> {
    Err(Errno::ENOSYS)
}
