//! The name or number of a user or a group.

use std::fmt;

/// A user or a group, as the keys `user` and `group` take it.
///
/// # Examples
///
/// ```
/// use daemonic::{Account, Daemon};
///
/// let by_name = Daemon::new("example").user("nobody").group("nogroup");
/// let by_number = Daemon::new("example").user(65534).group(65534);
/// assert_eq!(Account::from("nobody"), Account::Name("nobody".into()));
/// assert_eq!(Account::from(65534), Account::Id(65534));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Account {
    /// A name of the user or group database.
    ///
    /// A name that consists of digits and is not in the database is taken as a number.
    Name(String),
    /// A number, which needs no entry in the database and is never looked up as a name.
    Id(u32),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl From<&str> for Account {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Account {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<&String> for Account {
    fn from(name: &String) -> Self {
        Self::Name(name.clone())
    }
}

impl From<u32> for Account {
    fn from(id: u32) -> Self {
        Self::Id(id)
    }
}

impl From<&u32> for Account {
    fn from(id: &u32) -> Self {
        Self::Id(*id)
    }
}
