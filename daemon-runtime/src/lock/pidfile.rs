//! The pidfile as a file: opening it, checking that it can be a pidfile.

#[cfg(feature = "service")]
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, stat};
use nix::unistd::{Pid, geteuid, read};

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::lock::failure::{self, Failure};
use crate::lock::registry::Probe;
use crate::settings::{PidfileChoice, Plan};
use crate::sys::descriptor::above_floor;
use crate::sys::file::{FileId, file_type, name_of_type};
use crate::sys::interrupted::uninterrupted;
#[cfg(feature = "service")]
use crate::sys::process::number;
use crate::sys::procfs;
#[cfg(feature = "service")]
use crate::unit_file::installed;

/// The longest text of a pidfile without the reason of a death, in bytes. A longer one is something else.
const LONGEST: libc::off_t = 32;

/// The permissions of a pidfile: every user can read it, only the owner can write to it.
pub(crate) const MODE: u16 = 0o644;

/// The flags of an open that follows no symbolic link, waits for no FIFO, gets no controlling terminal, and passes no
/// descriptor to a program that this process executes.
const SAFELY: OFlag =
    OFlag::O_CLOEXEC.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// The error with which `O_NOFOLLOW` refuses a symbolic link. In POSIX it is ELOOP.
const IS_LINK: Errno = match () {
    #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
    () => Errno::EMLINK,
    #[cfg(target_os = "netbsd")]
    () => Errno::EFTYPE,
    #[cfg(not(any(target_os = "freebsd", target_os = "dragonfly", target_os = "netbsd")))]
    () => Errno::ELOOP,
};

/// A pidfile, known by its absolute path.
pub(crate) struct Pidfile {
    path: SystemPath,
    owner: Owner,
}

/// The owner of a pidfile's path. Two programs whose daemons have the same name share a default path.
enum Owner {
    /// The daemon's own, given by the key.
    Daemon,
    /// The default of root.
    Root,
    /// The default of another user, with root's default.
    User(Box<Pidfile>),
    /// A path at which a daemon of this program was found.
    Program,
    /// No path, because this user has no home directory. Root's default can still be examined.
    Homeless(Box<Pidfile>),
}

impl Pidfile {
    /// Makes the pidfile of a plan.
    pub(crate) fn new(plan: &Plan<'_>) -> Self {
        let owner = match &plan.pidfile_choice {
            PidfileChoice::Given => Owner::Daemon,
            PidfileChoice::RootDefault => Owner::Root,
            PidfileChoice::UserDefault { root_default } => Owner::User(Box::new(Self::of_root(root_default))),
            PidfileChoice::NoHome { root_default } => Owner::Homeless(Box::new(Self::of_root(root_default))),
        };
        Self { path: plan.pidfile.clone(), owner }
    }

    fn of_root(path: &SystemPath) -> Self {
        Self { path: path.clone(), owner: Owner::Root }
    }

    /// Makes the pidfile of a path at which a daemon of this program was found. Other programs are refused there.
    pub(crate) fn of_this_program(path: SystemPath) -> Self {
        Self { path, owner: Owner::Program }
    }

    pub(crate) fn path(&self) -> &SystemPath {
        &self.path
    }

    /// Returns root's default pidfile, if this is the default of another user.
    pub(crate) fn root_default(&self) -> Option<&Self> {
        match &self.owner {
            Owner::User(root_default) | Owner::Homeless(root_default) => Some(root_default),
            Owner::Daemon | Owner::Root | Owner::Program => None,
        }
    }

    /// Returns the path of a process's program if it is proven to be another program, which must not use this default
    /// pidfile.
    ///
    /// The answer is about the lock's holder if the process is found to have the lock afterwards.
    pub(crate) fn other_program(&self, pid: Pid) -> Option<PathBuf> {
        let other = match self.owner {
            Owner::Daemon => None,
            Owner::Root | Owner::User(_) | Owner::Homeless(_) | Owner::Program => procfs::other_program(pid),
        };
        #[cfg(feature = "service")]
        let other = other.filter(|_| !self.is_of_own_service(pid));
        other
    }

    /// Returns whether a process is one of this program's service.
    #[cfg(feature = "service")]
    fn is_of_own_service(&self, pid: Pid) -> bool {
        let name = self.path.as_path().file_stem().and_then(OsStr::to_str);
        name.is_some_and(|name| installed::is_of_own_service(name, number(pid)))
    }

    /// Returns a warning for root about a directory in which every user can replace the file.
    pub(crate) fn warning(&self) -> Option<String> {
        let directory = self.path.as_path().parent()?;
        let mode = geteuid().is_root().then(|| stat(directory))?.ok()?.st_mode;
        let is_open_to_all = mode & 0o1002 == 0o002;
        is_open_to_all.then(|| {
            format!(
                "every user can replace the pidfile: the directory {} is writable by all",
                directory.display()
            )
        })
    }

    /// Returns whether a failure means that the file is out of the user's reach, so that root's is examined instead.
    pub(crate) fn is_out_of_reach(&self, error: &Error) -> bool {
        error.is_permission_denied() || matches!(self.owner, Owner::Homeless(_))
    }

    fn check_home(&self) -> Result<()> {
        match self.owner {
            Owner::Homeless(_) => Err(Error::failed(format_args!(
                "this user has no home directory for the default pidfile; give the key `pidfile`, or set $XDG_STATE_HOME"
            ))),
            Owner::Daemon | Owner::Root | Owner::User(_) | Owner::Program => Ok(()),
        }
    }

    /// Opens the file if there is one, for `O_RDONLY` or `O_RDWR`.
    pub(crate) fn probe(&self, access: OFlag) -> Result<Option<(Probe, FileStat)>> {
        self.check_home()?;
        let file = match self.open(access) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.cannot_open(errno)),
        };
        let stat = self.examine(&file)?;
        let probe = Probe::new(file, FileId::new(&stat));
        self.check(&stat)?;
        Ok(Some((probe, stat)))
    }

    /// Opens the file for writing, or makes it.
    ///
    /// `O_CREAT` alone would not do: in a sticky directory it fails even for root if the file is another user's
    /// (`fs.protected_regular`).
    pub(crate) fn open_or_create(&self) -> Result<OwnedFd> {
        self.check_home()?;
        let mut may_make_directory = self.may_make_directory();
        let opened = loop {
            match self.open(OFlag::O_RDWR) {
                Err(Errno::ENOENT) => {}
                opened => break opened,
            }
            match self.open(OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL) {
                // Another process has made the file meanwhile.
                Err(Errno::EEXIST) => {}
                Err(Errno::ENOENT) if may_make_directory => {
                    self.make_directory()?;
                    may_make_directory = false;
                }
                created => break created,
            }
        };
        // Moved before it is locked: redirecting a standard stream closes a descriptor below 3, which drops the lock.
        opened.and_then(above_floor).map_err(|errno| self.cannot_open(errno))
    }

    /// Returns whether the directory is this daemon's alone: that of a user's default, or that of an installed service,
    /// which systemd makes only when it starts the daemon.
    fn may_make_directory(&self) -> bool {
        let is_below_run = || {
            let above = self.path.as_path().parent().and_then(Path::parent);
            geteuid().is_root() && above == Some(Path::new("/run"))
        };
        match self.owner {
            Owner::User(_) => true,
            Owner::Root => is_below_run(),
            Owner::Daemon | Owner::Program | Owner::Homeless(_) => false,
        }
    }

    /// Makes the directory of a default pidfile.
    fn make_directory(&self) -> Result<()> {
        let Some(directory) = self.path.as_path().parent() else { return Ok(()) };
        let made = match self.owner {
            Owner::Root => make(directory, 0o755),
            _ => make_private(directory),
        };
        made.map_err(|error| {
            let directory = directory.display();
            Error::io(
                format_args!("cannot make the directory {directory} for the pidfile; give `pidfile`"),
                &error,
            )
        })
    }

    fn open(&self, flags: OFlag) -> nix::Result<OwnedFd> {
        open(self.path.as_c_str(), flags | SAFELY, Mode::from_bits_truncate(MODE.into()))
    }

    pub(crate) fn examine(&self, file: &OwnedFd) -> Result<FileStat> {
        fstat(file).map_err(|errno| self.cannot("examine", errno))
    }

    /// Refuses what cannot be a pidfile, and leaves it as it is.
    pub(crate) fn check(&self, stat: &FileStat) -> Result<()> {
        match file_type(stat) {
            SFlag::S_IFREG => {}
            other => return Err(self.not_regular(other)),
        }
        if stat.st_nlink > 1 {
            return Err(Error::failed(format_args!(
                "pidfile {} has {} hard links; remove the others or choose another `pidfile`",
                self.path, stat.st_nlink
            )));
        }
        Ok(())
    }

    /// Refuses a file that contains more than a PID, unless that is the reason of a death, which this returns. Only for
    /// files that no other process holds: a daemon may write anything to its own.
    ///
    /// The file must have been opened for this call, because its position moves.
    pub(crate) fn check_length(&self, file: impl AsFd, stat: &FileStat) -> Result<Option<Failure>> {
        let failure = read_failure(file, stat);
        if stat.st_size > LONGEST && failure.is_none() {
            return Err(Error::failed(format_args!(
                "{} is not a pidfile: it has {} bytes; choose another `pidfile`",
                self.path, stat.st_size
            )));
        }
        Ok(failure)
    }

    pub(crate) fn cannot(&self, verb: &str, errno: Errno) -> Error {
        Error::os(format_args!("cannot {verb} pidfile {}", self.path), errno)
    }

    fn cannot_open(&self, errno: Errno) -> Error {
        match errno {
            IS_LINK => Error::failed(format_args!(
                "pidfile {} is a symbolic link; give the path of the file itself",
                self.path
            )),
            Errno::EISDIR => self.not_regular(SFlag::S_IFDIR),
            Errno::ENXIO => self.not_regular(SFlag::S_IFSOCK),
            // Systems other than Linux have no /run.
            Errno::ENOENT if matches!(self.owner, Owner::Root) => Error::failed(format_args!(
                "there is no directory for the default pidfile {}; give the key `pidfile`",
                self.path
            )),
            _ => Error::cannot_open("pidfile", &self.path, errno),
        }
    }

    fn not_regular(&self, file_type: SFlag) -> Error {
        let what = name_of_type(file_type);
        Error::failed(format_args!("pidfile {} is a {what}, not a regular file", self.path))
    }
}

/// Reads the reason of a death from the beginning of a file, if the file contains one.
fn read_failure(file: impl AsFd, stat: &FileStat) -> Option<Failure> {
    let length =
        usize::try_from(stat.st_size).ok().filter(|length| (1..=failure::LONGEST).contains(length))?;
    // The buffer has room for one byte more, so the length shows whether the file has grown.
    let mut text = [0; failure::LONGEST + 1];
    let read = uninterrupted(|| read(file.as_fd(), &mut text)).ok()?;
    (read == length).then(|| Failure::decode(&text[..read]))?
}

/// Creates a directory for its user alone, with its missing parents, whatever the umask.
pub(crate) fn make_private(directory: &Path) -> io::Result<()> {
    const PRIVATE: u32 = 0o700;
    match (make(directory, PRIVATE), directory.parent()) {
        (Err(error), Some(above)) if error.kind() == ErrorKind::NotFound => {
            make_private(above)?;
            make(directory, PRIVATE)
        }
        (result, _) => result,
    }
}

/// Creates a directory with these permissions, whatever the umask, unless there is one.
fn make(directory: &Path, mode: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(mode).create(directory) {
        Ok(()) => fs::set_permissions(directory, fs::Permissions::from_mode(mode)),
        // Another process has made it meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
