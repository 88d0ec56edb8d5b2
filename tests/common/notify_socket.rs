//! The socket on which a service manager receives the messages of a daemon.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::async_programs::{Run, Service};
use crate::now;

/// Returns the message of a daemon that is stopping, and that takes this many seconds at most.
pub fn stopping_within(seconds: u64) -> String {
    format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", seconds * 1_000_000)
}

/// A service manager's socket, held by a test.
pub struct Manager {
    pub socket: UnixDatagram,
    pub path: PathBuf,
}

impl Manager {
    pub fn of(service: &Service) -> Self {
        let path = service.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        Self { socket, path }
    }

    pub fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("NOTIFY_SOCKET", &self.path)
    }

    /// Runs a service under this manager.
    pub fn run(&self, service: &Service, environment: &[(&str, &str)]) -> Run {
        let mut command = service.action("run");
        self.environment(&mut command).envs(environment.iter().copied());
        service.run_by(command)
    }

    /// Returns the next message.
    #[track_caller]
    pub fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = loop {
            match self.socket.recv(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received.expect("a message within ten seconds"),
            }
        };
        String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()
    }

    /// Fails if there is another message.
    #[track_caller]
    pub fn heard_nothing(&self) {
        self.socket.set_nonblocking(true).expect("a mode");
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("{other:?}: {:?}", String::from_utf8_lossy(&buffer)),
        }
        self.socket.set_nonblocking(false).expect("a mode");
    }

    /// Receives the message that a daemon with the default `stop_timeout` is stopping.
    #[track_caller]
    pub fn hears_of_a_stop(&self) {
        assert_eq!(self.hears(), stopping_within(10));
    }

    /// Receives the message that a reload begins, and returns its time on the monotonic
    /// clock, in microseconds.
    #[track_caller]
    pub fn hears_of_a_reload(&self) -> u128 {
        let message = self.hears();
        let (kind, moment) = message.split_once('\n').expect("two lines");
        assert_eq!(kind, "RELOADING=1");
        let moment: u128 =
            moment.strip_prefix("MONOTONIC_USEC=").and_then(|it| it.parse().ok()).expect("a time");
        let now = now() / 1000;
        assert!(moment <= now && moment + 60_000_000 > now, "{moment} isn't now, {now}");
        moment
    }
}
