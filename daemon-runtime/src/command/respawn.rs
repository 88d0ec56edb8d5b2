//! The ends after which a supervised body gets another life.

/// The ends of the body after which [`respawn`](crate::Daemon::respawn) calls it again.
///
/// # Examples
///
/// ```no_run
/// use daemonic::{Daemon, Respawn};
///
/// fn main() -> daemonic::Result {
///     Daemon::new("worker").respawn(Respawn::OnFailure).dispatch(std::env::args().nth(1), || {
///         std::fs::read_to_string("/etc/worker.toml").map(drop) // fails until the file is there
///     })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Respawn {
    /// After no end: the daemon ends with its body.
    #[default]
    Never,
    /// After an error, a panic, an exit code other than 0, or death by a signal that is not a stop.
    OnFailure,
    /// After every end that is not a stop.
    Always,
}
