//! The identity that a daemon assumes for good, after its launcher has looked it up.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getuid};

use crate::command::account::Account;
use crate::command::error::{Error, Result};

/// A user and a group, with the supplementary groups that go with them.
#[derive(Clone)]
pub(crate) struct Identity {
    /// The accounts as the keys give them, for messages.
    label: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    /// Looks up the accounts, if there are any, which needs no privileges.
    ///
    /// Without a group, the user's own counts. Without a user, only the group changes. The supplementary groups are the
    /// user's; without a user, or without an entry in the user database, only the group itself.
    pub(crate) fn look_up(user: Option<&Account>, group: Option<&Account>) -> Result<Option<Self>> {
        let label = match (user, group) {
            (None, None) => return Ok(None),
            (Some(user), Some(group)) => format!("user {user}, group {group}"),
            (Some(user), None) => format!("user {user}"),
            (None, Some(group)) => format!("group {group}"),
        };
        let (uid, entry) = user.map_or(Ok((geteuid(), None)), find_user)?;
        let gid = match (group.map(find_group).transpose()?, &entry) {
            (Some(gid), _) => gid,
            (None, Some(entry)) => entry.gid,
            (None, None) => {
                return Err(Error::failed(format_args!(
                    "{label} has no entry in the user database; give `group` too"
                )));
            }
        };
        let groups = entry.map_or_else(|| Ok(vec![gid]), |entry| groups_of(&entry, gid));
        let groups =
            groups.map_err(|errno| Error::os(format_args!("cannot look up the groups of {label}"), errno))?;
        Ok(Some(Self { label, uid, gid, groups }))
    }

    /// Returns the numbers of the user and of the group.
    pub(crate) fn ids(&self) -> (Option<u32>, Option<u32>) {
        (Some(self.uid.as_raw()), Some(self.gid.as_raw()))
    }

    /// Fails unless this process is root, which alone can become another user, or has this identity already.
    pub(crate) fn require_root(&self) -> Result<()> {
        if geteuid().is_root() || self.is_own() {
            return Ok(());
        }
        let label = &self.label;
        Err(Error::os(format_args!("cannot become {label} without being root"), Errno::EPERM))
    }

    /// Sets the supplementary groups, then the group, then the user, as real, effective and saved IDs. Then checks that
    /// all are set, with no way back.
    ///
    /// A process that has this user and group already stays as it is. Its caller, such as a service manager or a
    /// container, has chosen its supplementary groups and privileges.
    pub(crate) fn take_on(&self) -> Result<()> {
        if self.is_own() {
            return Ok(());
        }
        let cannot = |errno| Error::os(format_args!("cannot become {}", self.label), errno);
        capabilities::drop_with_user()
            .and_then(|()| supplementary::set(&self.groups))
            .and_then(|()| saved::set_group(self.gid))
            .and_then(|()| saved::set_user(self.uid))
            .map_err(cannot)?;
        if self.is_taken_on().map_err(cannot)? {
            Ok(())
        } else {
            Err(Error::failed(format_args!(
                "cannot become {} for good: some privilege of root is left",
                self.label
            )))
        }
    }

    /// Returns whether this process has the user and the group for good. If it is root, it must have the groups too.
    fn is_own(&self) -> bool {
        let root = Uid::from_raw(0);
        let has_ids = [getuid(), geteuid()] == [self.uid; 2] && [getgid(), getegid()] == [self.gid; 2];
        has_ids
            && saved::are(self.uid, self.gid) == Ok(true)
            && (self.uid != root || supplementary::are(&self.groups, self.gid) == Ok(true))
    }

    fn is_taken_on(&self) -> nix::Result<bool> {
        let root = Uid::from_raw(0);
        let users = [getuid(), geteuid()];
        let groups = [getgid(), getegid()];
        Ok(users == [self.uid; 2]
            && groups == [self.gid; 2]
            && saved::are(self.uid, self.gid)?
            && supplementary::are(&self.groups, self.gid)?
            && (self.uid == root || saved::set_user(root).is_err() && !capabilities::has_any()?))
    }
}

/// Finds a user. A user that is given by number needs no entry in the user database.
fn find_user(account: &Account) -> Result<(Uid, Option<User>)> {
    let number = number(account).map(Uid::from_raw);
    let by_number = || number.map_or(Ok(None), |uid| found(User::from_uid(uid)));
    let entry = match account {
        Account::Id(_) => by_number(),
        Account::Name(name) => {
            found(User::from_name(name)).and_then(|user| user.map_or_else(by_number, |user| Ok(Some(user))))
        }
    };
    let entry = entry.map_err(|errno| Error::os(format_args!("cannot look up user {account}"), errno))?;
    match (entry, number) {
        (Some(user), _) => Ok((user.uid, Some(user))),
        (None, Some(uid)) => Ok((uid, None)),
        (None, None) => {
            Err(Error::failed(format_args!("there is no user {account}; give `user` one that exists")))
        }
    }
}

fn find_group(account: &Account) -> Result<Gid> {
    let entry = match account {
        Account::Id(_) => Ok(None),
        Account::Name(name) => found(Group::from_name(name)),
    };
    entry
        .map_err(|errno| Error::os(format_args!("cannot look up group {account}"), errno))?
        .map(|group| group.gid)
        .or_else(|| number(account).map(Gid::from_raw))
        .ok_or_else(|| {
            Error::failed(format_args!("there is no group {account}; give `group` one that exists"))
        })
}

/// Treats a user database that does not exist as an empty one. The C library musl reports it as an error, which
/// [getpwnam(3)](https://man7.org/linux/man-pages/man3/getpwnam.3.html) allows.
fn found<T>(entry: nix::Result<Option<T>>) -> nix::Result<Option<T>> {
    match entry {
        Err(Errno::ENOENT) => Ok(None),
        entry => entry,
    }
}

/// Returns the number of an account, if it is given by one. Excludes the highest number, which to the system means
/// *unchanged*.
fn number(account: &Account) -> Option<u32> {
    let number = match account {
        Account::Id(id) => Some(*id),
        Account::Name(name) if name.bytes().all(|byte| byte.is_ascii_digit()) => name.parse().ok(),
        Account::Name(_) => None,
    };
    number.filter(|number| *number != u32::MAX)
}

fn groups_of(user: &User, gid: Gid) -> nix::Result<Vec<Gid>> {
    let name = CString::new(user.name.as_bytes()).map_err(|_| Errno::EINVAL)?;
    supplementary::of(&name, gid)
}

#[cfg(target_os = "linux")]
mod capabilities {
    pub(super) use crate::sys::capabilities::has_any;

    /// Makes the kernel drop the capabilities when the user changes, whatever this program has requested before.
    pub(super) fn drop_with_user() -> nix::Result<()> {
        nix::sys::prctl::set_keepcaps(false)
    }
}

/// Other systems have no capabilities.
#[cfg(not(target_os = "linux"))]
mod capabilities {
    pub(super) fn has_any() -> nix::Result<bool> {
        Ok(false)
    }

    pub(super) fn drop_with_user() -> nix::Result<()> {
        Ok(())
    }
}

/// The systems on which the saved user and group can be set and read.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd", target_os = "dragonfly"))]
mod saved {
    use nix::unistd::{Gid, Uid, getresgid, getresuid, setresgid, setresuid};

    pub(super) fn set_user(uid: Uid) -> nix::Result<()> {
        setresuid(uid, uid, uid)
    }

    pub(super) fn set_group(gid: Gid) -> nix::Result<()> {
        setresgid(gid, gid, gid)
    }

    pub(super) fn are(uid: Uid, gid: Gid) -> nix::Result<bool> {
        Ok(getresuid()?.saved == uid && getresgid()?.saved == gid)
    }
}

/// The other systems, on which root's `setuid` and `setgid` set all three IDs (POSIX). A failed attempt to become root
/// shows that there is no way back.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd", target_os = "dragonfly")))]
mod saved {
    use nix::unistd::{Gid, Uid, setgid, setuid};

    pub(super) fn set_user(uid: Uid) -> nix::Result<()> {
        setuid(uid)
    }

    pub(super) fn set_group(gid: Gid) -> nix::Result<()> {
        setgid(gid)
    }

    pub(super) fn are(_: Uid, _: Gid) -> nix::Result<bool> {
        Ok(true)
    }
}

#[cfg(not(target_vendor = "apple"))]
mod supplementary {
    use std::ffi::CStr;

    use nix::unistd::{Gid, getgrouplist, getgroups, setgroups};

    pub(super) fn of(user: &CStr, gid: Gid) -> nix::Result<Vec<Gid>> {
        getgrouplist(user, gid)
    }

    pub(super) fn set(groups: &[Gid]) -> nix::Result<()> {
        setgroups(groups)
    }

    /// Returns whether a process of a group has these groups. It has its own group in any case: systemd lists it among
    /// the others only if it changes the user.
    pub(super) fn are(groups: &[Gid], own: Gid) -> nix::Result<bool> {
        let taken_on = getgroups()?;
        let has = |gid: &Gid| *gid == own || taken_on.contains(gid);
        Ok(taken_on.iter().all(|gid| groups.contains(gid)) && groups.iter().all(has))
    }
}

/// On Apple's systems, the directory service knows more groups than a process can have, and may report more than were
/// set. So the daemon gets its own group only.
#[cfg(target_vendor = "apple")]
mod supplementary {
    use std::ffi::CStr;

    use nix::unistd::Gid;

    pub(super) use crate::sys::groups::set;

    pub(super) fn of(_: &CStr, gid: Gid) -> nix::Result<Vec<Gid>> {
        Ok(vec![gid])
    }

    pub(super) fn are(_: &[Gid], _: Gid) -> nix::Result<bool> {
        Ok(true)
    }
}
