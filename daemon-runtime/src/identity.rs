//! Whom a daemon runs as: looked up in the launcher, taken on in the daemon, for good.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{
    Gid, Group, Uid, User, geteuid, getgrouplist, getgroups, getresgid, getresuid, setgroups, setresgid,
    setresuid,
};

use crate::error::{Error, Result};
use crate::sys::Sys;

/// A user and a group, with the groups that go with them.
#[derive(Debug)]
pub(crate) struct Identity {
    /// What the user has called it, for messages.
    label: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    /// Looks a user and a group up, each a name or a number; none if neither is given.
    ///
    /// Without a group it is the user's own, and without a user only the group changes. The supplementary
    /// groups are those of the user, or none but the group itself.
    pub(crate) fn look_up(user: Option<&str>, group: Option<&str>) -> Result<Option<Self>> {
        let label = match (user, group) {
            (None, None) => return Ok(None),
            (Some(user), None) => format!("user {user}"),
            (None, Some(group)) => format!("group {group}"),
            (Some(user), Some(group)) => format!("user {user}, group {group}"),
        };
        let account = user.map(find_user).transpose()?;
        let group = group.map(find_group).transpose()?;
        let (uid, entry) = account.map_or((geteuid(), None), |account| (account.uid, account.entry));
        let gid = match (group, &entry) {
            (Some(gid), _) => gid,
            (None, Some(entry)) => entry.gid,
            (None, None) => {
                return Err(Error::failed(format!(
                    "{label} has no entry in the user database; give `group` too"
                )));
            }
        };
        let groups = entry.map_or_else(|| Ok(vec![gid]), |entry| getgrouplist(&entry.name, gid));
        let groups =
            groups.map_err(|errno| Error::os(format!("cannot look up the groups of {label}"), errno))?;
        if !geteuid().is_root() {
            return Err(Error::os(format!("cannot become {label} without being root"), Errno::EPERM));
        }
        Ok(Some(Self { label, uid, gid, groups }))
    }

    /// Takes it on: supplementary groups, then the group, then the user, each real, effective and saved;
    /// and sees that it is so, and that there is no way back.
    pub(crate) fn take_on(&self) -> Result<()> {
        let cannot = |errno| Error::os(format!("cannot become {}", self.label), errno);
        setgroups(&self.groups)
            .and_then(|()| setresgid(self.gid, self.gid, self.gid))
            .and_then(|()| setresuid(self.uid, self.uid, self.uid))
            .map_err(cannot)?;
        if self.is_taken_on().map_err(cannot)? {
            Ok(())
        } else {
            Err(Error::failed(format!("cannot become {} for good: something of root is left", self.label)))
        }
    }

    fn is_taken_on(&self) -> Sys<bool> {
        let (users, groups) = (getresuid()?, getresgid()?);
        let mut supplementary = getgroups()?;
        let mut wanted = self.groups.clone();
        supplementary.sort_by_key(|gid| gid.as_raw());
        wanted.sort_by_key(|gid| gid.as_raw());
        wanted.dedup();
        let root = Uid::from_raw(0);
        Ok([users.real, users.effective, users.saved] == [self.uid; 3]
            && [groups.real, groups.effective, groups.saved] == [self.gid; 3]
            && supplementary == wanted
            && (self.uid == root || setresuid(root, root, root).is_err()))
    }
}

/// A user by name or number; a number needs no entry in the user database.
struct Account {
    uid: Uid,
    entry: Option<Entry>,
}

struct Entry {
    name: CString,
    gid: Gid,
}

fn find_user(name: &str) -> Result<Account> {
    let number = name.parse().ok().filter(|uid| *uid != u32::MAX).map(Uid::from_raw);
    let found = match User::from_name(name) {
        Ok(None) => number.map_or(Ok(None), User::from_uid),
        found => found,
    };
    let found = found.map_err(|errno| Error::os(format!("cannot look up user {name}"), errno))?;
    let entry = |user: &User| {
        let name = CString::new(user.name.as_bytes()).ok()?;
        Some(Entry { name, gid: user.gid })
    };
    match (found, number) {
        (Some(user), _) => Ok(Account { uid: user.uid, entry: entry(&user) }),
        (None, Some(uid)) => Ok(Account { uid, entry: None }),
        (None, None) => Err(Error::failed(format!("there is no user {name}; give `user` one that exists"))),
    }
}

fn find_group(name: &str) -> Result<Gid> {
    let found =
        Group::from_name(name).map_err(|errno| Error::os(format!("cannot look up group {name}"), errno))?;
    let number = || name.parse().ok().filter(|gid| *gid != u32::MAX).map(Gid::from_raw);
    found
        .map(|group| group.gid)
        .or_else(number)
        .ok_or_else(|| Error::failed(format!("there is no group {name}; give `group` one that exists")))
}
