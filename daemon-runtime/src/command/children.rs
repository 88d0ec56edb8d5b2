//! The fate of the processes that a body leaves running.

/// The effect of the body's end on the processes that it has started and left running.
///
/// # Examples
///
/// ```no_run
/// use daemonic::{Children, Daemon};
/// use std::process::Command;
///
/// fn main() -> daemonic::Result {
///     Daemon::new("server").children(Children::End).dispatch(std::env::args().nth(1), || {
///         // `stop` ends the server too, and all that the server has started.
///         Command::new("server").arg("--foreground").status().map(drop)
///     })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Children {
    /// They keep running.
    #[default]
    Leave,
    /// They get the stop signal, and SIGKILL when [`stop_timeout`](crate::Daemon::stop_timeout) is over.
    ///
    /// Their own descendants are included, as are those in sessions of their own and those whose parents have ended.
    End,
}
