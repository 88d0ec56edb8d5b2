//! The format in which an action reports.

/// The format in which an action reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    /// One line of JSON.
    #[cfg(feature = "json")]
    Json,
}
