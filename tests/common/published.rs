//! A process that looks like a daemon to others: it holds the locks that a daemon holds, and answers on its socket.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};

/// The first byte on which a daemon publishes that it is not ready.
pub const STARTING: i64 = 0x1000_0000;
/// The first byte on which a supervisor publishes its socket.
pub const SERVED: i64 = 0x2000_0000;
/// The first byte on which a daemon publishes the socket on which its body's answers come.
pub const ANSWERING: i64 = 0x3000_0000;

/// A listening socket with a name of the kernel's.
pub struct Socket {
    pub listener: UnixListener,
    pub number: i64,
}

impl Socket {
    pub fn new() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
        bind(socket.as_raw_fd(), &UnixAddr::new_unnamed()).expect("a name");
        listen(&socket, Backlog::new(64).expect("a number")).expect("a queue");
        let listener = UnixListener::from(socket);
        let address = listener.local_addr().expect("an address");
        let name = std::str::from_utf8(address.as_abstract_name().expect("a name")).expect("text").to_owned();
        Self { listener, number: i64::from_str_radix(&name, 16).expect("a hexadecimal number") }
    }

    /// Accepts a connection, and sends a line.
    pub fn answer(&self, line: &str) -> UnixStream {
        let (mut connection, _) = self.listener.accept().expect("a connection");
        // A client that does not believe this socket closes the connection at once.
        let _ = connection.write_all(line.as_bytes());
        connection
    }
}

/// The locks of a daemon, held by this process. Nothing else in this process may open the file.
pub struct Locks(File);

impl Locks {
    pub fn new(path: &Path) -> Self {
        let file = File::options().create(true).truncate(false).write(true).read(true).open(path);
        let locks = Self(file.expect("a pidfile"));
        locks.set(libc::F_WRLCK, 0, 2);
        locks
    }

    pub fn publish(&self, byte: i64) {
        self.set(libc::F_WRLCK, byte, 1);
    }

    pub fn withdraw(&self, byte: i64) {
        self.set(libc::F_UNLCK, byte, 1);
    }

    fn set(&self, kind: i32, start: i64, length: i64) {
        let lock = libc::flock {
            l_type: kind.try_into().expect("a small number"),
            l_whence: 0,
            l_start: start,
            l_len: length,
            l_pid: 0,
        };
        fcntl(&self.0, FcntlArg::F_SETLK(&lock)).expect("a lock");
    }
}
