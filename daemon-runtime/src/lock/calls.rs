//! The calls that a repeating daemon takes: a request for a run, a question about its runs.
//!
//! A caller wakes the daemon by a signal. The handler of the first one opens a socket, so a daemon that is never called
//! has none. The caller then connects, sends a word that says what it wants, and signals again. A question is answered
//! by the handler. A request waits for the repeat loop.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, recv};

use crate::command::report::{Phase, Ran, Report, Runs};
use crate::lock::channel::{Listener, send_line};
use crate::lock::held::PublishingFile;
use crate::sys::descriptor::is_closed;
use crate::sys::file::FileId;
use crate::sys::interrupted::uninterrupted;

/// The signal by which a caller wakes the daemon. By default it does nothing, so it harms no program that has just
/// stopped being a daemon.
pub(crate) const WAKING: Signal = Signal::SIGURG;

/// The word that requests a run.
pub(crate) const ONCE: &str = "once\n";
/// The word that asks about the runs.
pub(crate) const RUNS: &str = "runs\n";

/// The number of callers that can wait at once.
const MOST: usize = 64;

/// The function that returns the answer to a question. Async-signal-safe.
type ReadRuns<'a> = &'a dyn Fn() -> Runs;

/// The calls of this process.
pub(crate) struct Calls {
    file: PublishingFile,
    connections: Mutex<Connections>,
    /// The number of signals so far.
    woken: AtomicU32,
    /// The number of signals that had come when the calls were last attended to.
    attended: AtomicU32,
    /// The number of requests that wait.
    waiting: AtomicUsize,
}

struct Connections {
    listener: Option<Listener>,
    /// The connections from which no word has arrived yet. Never longer than its capacity, since a handler cannot
    /// allocate.
    silent: Vec<Call>,
    /// The requests for a run, the oldest first. Never longer than its capacity.
    requests: VecDeque<Call>,
    /// Whether the daemon is ending. In the foreground, a handler in another thread may still attend to calls.
    is_ending: bool,
}

/// A caller's connection. Dropping it closes it.
pub(crate) struct Call {
    socket: Option<OwnedFd>,
    id: FileId,
}

impl Calls {
    pub(crate) fn new(file: PublishingFile) -> Self {
        let connections = Connections {
            listener: None,
            silent: Vec::with_capacity(MOST),
            requests: VecDeque::with_capacity(MOST),
            is_ending: false,
        };
        Self {
            file,
            connections: Mutex::new(connections),
            woken: AtomicU32::new(0),
            attended: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Attends to the calls after a signal, and returns whether requests wait. Async-signal-safe.
    pub(crate) fn wake(&self, runs: ReadRuns<'_>) -> bool {
        self.woken.fetch_add(1, Ordering::AcqRel);
        self.attend(runs);
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Attends to the calls of all signals that have come. If another thread is doing so, or the code that this handler
    /// has interrupted, that looks again afterwards.
    fn attend(&self, runs: ReadRuns<'_>) {
        while self.attended.load(Ordering::Acquire) != self.woken.load(Ordering::Acquire) {
            let Ok(mut connections) = self.connections.try_lock() else { return };
            let woken = self.woken.load(Ordering::Acquire);
            connections.attend(&self.file, runs);
            self.waiting.store(connections.requests.len(), Ordering::Release);
            self.attended.store(woken, Ordering::Release);
        }
    }

    /// Takes the oldest request of a caller that still waits.
    pub(crate) fn take(&self, runs: ReadRuns<'_>) -> Option<Call> {
        while self.waiting.load(Ordering::Acquire) > 0 {
            let mut connections = self.connections();
            let mut next = connections.requests.pop_front();
            while next.as_ref().is_some_and(Call::is_gone) {
                next = connections.requests.pop_front();
            }
            self.waiting.store(connections.requests.len(), Ordering::Release);
            drop(connections);
            // While this held the lock, a handler could not take it, and left new requests waiting.
            self.attend(runs);
            if next.is_some() {
                return next;
            }
        }
        None
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes every connection, because the daemon ends.
    pub(crate) fn close(&self) {
        let mut connections = self.connections();
        connections.is_ending = true;
        connections.close(&self.file);
        connections.silent.clear();
        connections.requests.clear();
        self.waiting.store(0, Ordering::Release);
    }
}

impl Connections {
    fn attend(&mut self, file: &PublishingFile, runs: ReadRuns<'_>) {
        self.listen(file);
        self.accept(file);
        let Self { silent, requests, .. } = self;
        let mut at = 0;
        while let Some(call) = silent.get(at) {
            match call.receive() {
                Some(Word::Nothing) => at += 1,
                Some(Word::Once) if requests.len() < MOST => requests.push_back(silent.remove(at)),
                Some(Word::Runs) => {
                    call.send_runs(runs());
                    drop(silent.remove(at));
                }
                Some(Word::Once) | None => drop(silent.remove(at)),
            }
        }
    }

    /// Accepts the connections that wait.
    fn accept(&mut self, file: &PublishingFile) {
        let Self { listener: Some(listener), silent, .. } = self else { return };
        // During a flood of connections, the body must go on.
        for _ in 0..MOST {
            match listener.accept() {
                Ok(socket) if silent.len() < MOST && is_of_root_or_own_user(&socket) => {
                    silent.extend(Call::new(socket));
                }
                Ok(_) => {}
                Err(Errno::EAGAIN) => return,
                // Too many descriptors, for example. No further signal may come, and the callers would wait forever.
                Err(_) => return self.close(file),
            }
        }
    }

    /// Closes the socket, so that the callers in its queue stop waiting.
    fn close(&mut self, file: &PublishingFile) {
        if let Some(listener) = self.listener.take() {
            file.withdraw_calls();
            if !listener.is_intact() {
                mem::forget(listener);
            }
        }
    }

    /// Opens the socket and publishes it, unless it is open. A caller that finds no socket gives up.
    fn listen(&mut self, file: &PublishingFile) {
        if self.listener.as_ref().is_some_and(|listener| !listener.is_intact()) {
            mem::forget(self.listener.take());
        }
        if self.listener.is_none() && !self.is_ending {
            self.listener = Listener::open()
                .ok()
                .filter(|(_, number)| file.publish_calls(*number).is_ok())
                .map(|(listener, _)| listener);
        }
    }
}

/// The longest line about runs. The stack of a handler may be small.
const LONGEST: usize = 192;

struct ShortLine {
    bytes: [u8; LONGEST],
    length: usize,
}

impl fmt::Write for ShortLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// The word that a caller has sent.
enum Word {
    Nothing,
    Once,
    Runs,
}

impl Call {
    fn new(socket: OwnedFd) -> Option<Self> {
        let id = FileId::of(&socket).ok()?;
        Some(Self { socket: Some(socket), id })
    }

    /// Returns the socket. A body that closes descriptors it does not know may have a file of its own under this
    /// number.
    fn socket(&self) -> Option<&OwnedFd> {
        self.socket.as_ref().filter(|socket| self.id.may_be_open_at(socket))
    }

    /// Returns the word that the caller has sent so far, or `None` if it is unknown or the connection has failed.
    fn receive(&self) -> Option<Word> {
        let socket = self.socket()?;
        let mut received = [0; 16];
        match uninterrupted(|| recv(socket.as_raw_fd(), &mut received, MsgFlags::MSG_DONTWAIT)) {
            Err(Errno::EAGAIN) => Some(Word::Nothing),
            Ok(length) if received[..length] == *ONCE.as_bytes() => Some(Word::Once),
            Ok(length) if received[..length] == *RUNS.as_bytes() => Some(Word::Runs),
            _ => None,
        }
    }

    fn is_gone(&self) -> bool {
        self.socket().is_none_or(|socket| is_closed(socket.as_fd()))
    }

    fn send(&self, report: &Report<'_>) {
        if let Some(socket) = self.socket() {
            send_line(socket, report.encode().as_bytes());
        }
    }

    /// Sends a report of the runs. Async-signal-safe.
    fn send_runs(&self, runs: Runs) {
        let mut line = ShortLine { bytes: [0; LONGEST], length: 0 };
        if let (Some(socket), Ok(())) = (self.socket(), runs.write_line(&mut line)) {
            send_line(socket, &line.bytes[..line.length]);
        }
    }

    /// Reports that the run begins.
    pub(crate) fn begin(&self) {
        self.send(&Report::new(Phase::Running));
    }

    /// Reports the end of the run.
    pub(crate) fn answer(self, ran: Ran<'_>) {
        self.send(&Report { ran: Some(ran), ..Report::new(Phase::Running) });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.socket().is_none() {
            mem::forget(self.socket.take());
        }
    }
}

/// Returns whether a caller may call: root may, and so may the user of this process.
#[cfg(target_os = "linux")]
fn is_of_root_or_own_user(socket: &OwnedFd) -> bool {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    use nix::unistd::geteuid;

    let uid = getsockopt(socket, PeerCredentials).map(|peer| peer.uid());
    uid.is_ok_and(|uid| uid == 0 || uid == geteuid().as_raw())
}

/// Returns false: other systems have no such sockets.
#[cfg(not(target_os = "linux"))]
fn is_of_root_or_own_user(_: &OwnedFd) -> bool {
    false
}
