//! Whom a daemon runs as: looked up in the launcher, taken on in the daemon, for good.
//!
//! It is reached only through what the keys `user` and `group` put into the settings, so a program that has neither
//! links none of it, nor what the C library needs for it.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getuid};

use crate::error::{Error, Result};
use crate::sys::{Sys, give_up_keeping_capabilities, has_capabilities};

mod sealed {
    pub trait Sealed {}
}

/// Can name a user or a group: text, or a number.
///
/// # Examples
///
/// ```
/// use daemonic::Daemon;
///
/// let by_name = Daemon::new("example").user("nobody").group("nogroup");
/// let by_number = Daemon::new("example").user(65534).group(65534);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no user or group",
    note = "give the name as a string, or the number as a `u32`"
)]
pub trait Account: sealed::Sealed {
    /// Writes the name, or the number in digits.
    #[doc(hidden)]
    fn into_name(self) -> String;
}

macro_rules! accounts {
    ($($named:ty)*) => {$(
        impl sealed::Sealed for $named {}
        #[diagnostic::do_not_recommend]
        impl Account for $named {
            fn into_name(self) -> String {
                self.to_string()
            }
        }
    )*};
}

accounts! { &str String &String u32 &u32 }

/// Looks a user and a group up, each a name or a number, and gives the step by which the daemon becomes them.
pub(crate) type LookUp = fn(user: Option<&str>, group: Option<&str>) -> Result<TakeOn>;

/// The step by which a process becomes somebody else.
pub(crate) type TakeOn = Box<dyn Fn() -> Result<()>>;

/// Looks them up. Without a group it is the user's own, and without a user only the group changes. The supplementary
/// groups are those of the user, or none but the group itself.
pub(crate) fn look_up(user: Option<&str>, group: Option<&str>) -> Result<TakeOn> {
    let identity = Identity::look_up(user, group)?;
    Ok(Box::new(move || identity.take_on()))
}

/// A user and a group, with the groups that go with them.
struct Identity {
    /// What the user has called it, for messages.
    label: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    fn look_up(user: Option<&str>, group: Option<&str>) -> Result<Self> {
        let label = match (user, group) {
            (Some(user), Some(group)) => format!("user {user}, group {group}"),
            (Some(user), None) => format!("user {user}"),
            (None, group) => format!("group {}", group.unwrap_or_default()),
        };
        let account = user.map(find_user).transpose()?;
        let group = group.map(find_group).transpose()?;
        let (uid, entry) = account.map_or((geteuid(), None), |account| (account.uid, account.entry));
        let gid = match (group, &entry) {
            (Some(gid), _) => gid,
            (None, Some(entry)) => entry.gid,
            (None, None) => {
                return Err(Error::failed(format_args!(
                    "{label} has no entry in the user database; give `group` too"
                )));
            }
        };
        let groups = entry.map_or_else(|| Ok(vec![gid]), |entry| supplementary::of(&entry.name, gid));
        let groups =
            groups.map_err(|errno| Error::os(format_args!("cannot look up the groups of {label}"), errno))?;
        if !geteuid().is_root() {
            return Err(Error::os(format_args!("cannot become {label} without being root"), Errno::EPERM));
        }
        Ok(Self { label, uid, gid, groups })
    }

    /// Takes it on: supplementary groups, then the group, then the user, each real, effective and saved;
    /// and sees that it is so, and that there is no way back.
    fn take_on(&self) -> Result<()> {
        let cannot = |errno| Error::os(format_args!("cannot become {}", self.label), errno);
        give_up_keeping_capabilities()
            .and_then(|()| supplementary::set(&self.groups))
            .and_then(|()| saved::set_group(self.gid))
            .and_then(|()| saved::set_user(self.uid))
            .map_err(cannot)?;
        if self.is_taken_on().map_err(cannot)? {
            Ok(())
        } else {
            Err(Error::failed(format_args!(
                "cannot become {} for good: something of root is left",
                self.label
            )))
        }
    }

    fn is_taken_on(&self) -> Sys<bool> {
        let root = Uid::from_raw(0);
        let users = [getuid(), geteuid()];
        let groups = [getgid(), getegid()];
        Ok(users == [self.uid; 2]
            && groups == [self.gid; 2]
            && saved::are(self.uid, self.gid)?
            && supplementary::are(&self.groups)?
            && (self.uid == root || saved::set_user(root).is_err() && !has_capabilities()?))
    }
}

/// A user by name or number; a number needs no entry in the user database.
struct FoundUser {
    uid: Uid,
    entry: Option<Entry>,
}

struct Entry {
    name: CString,
    gid: Gid,
}

fn find_user(name: &str) -> Result<FoundUser> {
    let number = number(name).map(Uid::from_raw);
    let found = match User::from_name(name) {
        Ok(None) => number.map_or(Ok(None), User::from_uid),
        found => found,
    };
    let found = found.map_err(|errno| Error::os(format_args!("cannot look up user {name}"), errno))?;
    let entry = |user: &User| {
        let name = CString::new(user.name.as_bytes()).ok()?;
        Some(Entry { name, gid: user.gid })
    };
    match (found, number) {
        (Some(user), _) => Ok(FoundUser { uid: user.uid, entry: entry(&user) }),
        (None, Some(uid)) => Ok(FoundUser { uid, entry: None }),
        (None, None) => {
            Err(Error::failed(format_args!("there is no user {name}; give `user` one that exists")))
        }
    }
}

fn find_group(name: &str) -> Result<Gid> {
    let found = Group::from_name(name)
        .map_err(|errno| Error::os(format_args!("cannot look up group {name}"), errno))?;
    found
        .map(|group| group.gid)
        .or_else(|| number(name).map(Gid::from_raw))
        .ok_or_else(|| Error::failed(format_args!("there is no group {name}; give `group` one that exists")))
}

/// Reads the number of a user or group; the highest one means *unchanged* to the system.
fn number(name: &str) -> Option<u32> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|number| is_number && *number != u32::MAX)
}

/// The systems on which the saved user and group can be set and read.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd", target_os = "dragonfly"))]
mod saved {
    use nix::unistd::{Gid, Uid, getresgid, getresuid, setresgid, setresuid};

    use crate::sys::Sys;

    pub(super) fn set_user(uid: Uid) -> Sys<()> {
        setresuid(uid, uid, uid)
    }

    pub(super) fn set_group(gid: Gid) -> Sys<()> {
        setresgid(gid, gid, gid)
    }

    pub(super) fn are(uid: Uid, gid: Gid) -> Sys<bool> {
        Ok(getresuid()?.saved == uid && getresgid()?.saved == gid)
    }
}

/// The others. For root `setuid` and `setgid` set all three, says POSIX; that there is no way back is seen by
/// trying.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd", target_os = "dragonfly")))]
mod saved {
    use nix::unistd::{Gid, Uid, setgid, setuid};

    use crate::sys::Sys;

    pub(super) fn set_user(uid: Uid) -> Sys<()> {
        setuid(uid)
    }

    pub(super) fn set_group(gid: Gid) -> Sys<()> {
        setgid(gid)
    }

    pub(super) fn are(_: Uid, _: Gid) -> Sys<bool> {
        Ok(true)
    }
}

#[cfg(not(target_vendor = "apple"))]
mod supplementary {
    use std::ffi::CStr;

    use nix::unistd::{Gid, getgrouplist, getgroups, setgroups};

    use crate::sys::Sys;

    pub(super) fn of(user: &CStr, gid: Gid) -> Sys<Vec<Gid>> {
        getgrouplist(user, gid)
    }

    pub(super) fn set(groups: &[Gid]) -> Sys<()> {
        setgroups(groups)
    }

    pub(super) fn are(groups: &[Gid]) -> Sys<bool> {
        let taken_on = getgroups()?;
        Ok(taken_on.iter().all(|gid| groups.contains(gid)) && groups.iter().all(|gid| taken_on.contains(gid)))
    }
}

/// The directory service knows more groups than a process can have, and may answer with more than were set; the
/// daemon gets its own one only.
#[cfg(target_vendor = "apple")]
mod supplementary {
    use std::ffi::CStr;

    use nix::unistd::Gid;

    use crate::sys::Sys;
    pub(super) use crate::sys::set_groups as set;

    pub(super) fn of(_: &CStr, gid: Gid) -> Sys<Vec<Gid>> {
        Ok(vec![gid])
    }

    pub(super) fn are(_: &[Gid]) -> Sys<bool> {
        Ok(true)
    }
}
