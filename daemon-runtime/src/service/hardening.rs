//! The lines of a unit that take from a daemon what it does not need.

use std::fmt;

/// A line of a [`Unit`](crate::Unit) that confines the daemon, which [`Unit::relax`](crate::Unit::relax) leaves out.
///
/// A variant has the name of the line's setting in [systemd.exec(5)]. The unit itself has the reason for each line.
///
/// [systemd.exec(5)]: https://man7.org/linux/man-pages/man5/systemd.exec.5.html
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, Hardening};
///
/// // A body with a just-in-time compiler writes code and then executes it.
/// let unit = Daemon::new("example").unit()?.relax(Hardening::MemoryDenyWriteExecute);
/// assert!(!unit.to_string().contains("MemoryDenyWriteExecute="));
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the manual page of systemd documents each setting")]
pub enum Hardening {
    NoNewPrivileges,
    CapabilityBoundingSet,
    ProtectSystem,
    ProtectHome,
    PrivateTmp,
    PrivateDevices,
    PrivateMounts,
    ProtectKernelTunables,
    ProtectKernelModules,
    ProtectKernelLogs,
    ProtectControlGroups,
    ProtectClock,
    ProtectHostname,
    ProtectProc,
    RestrictAddressFamilies,
    RestrictNamespaces,
    RestrictRealtime,
    RestrictSUIDSGID,
    LockPersonality,
    MemoryDenyWriteExecute,
    SystemCallArchitectures,
    SystemCallFilter,
}

impl Hardening {
    /// Every line, in the order of the unit.
    pub const ALL: &'static [Self] = &[
        Self::NoNewPrivileges,
        Self::CapabilityBoundingSet,
        Self::ProtectSystem,
        Self::ProtectHome,
        Self::PrivateTmp,
        Self::PrivateDevices,
        Self::PrivateMounts,
        Self::ProtectKernelTunables,
        Self::ProtectKernelModules,
        Self::ProtectKernelLogs,
        Self::ProtectControlGroups,
        Self::ProtectClock,
        Self::ProtectHostname,
        Self::ProtectProc,
        Self::RestrictAddressFamilies,
        Self::RestrictNamespaces,
        Self::RestrictRealtime,
        Self::RestrictSUIDSGID,
        Self::LockPersonality,
        Self::MemoryDenyWriteExecute,
        Self::SystemCallArchitectures,
        Self::SystemCallFilter,
    ];

    /// Returns whether the line needs root's privileges, or a view of the file system that only root can make, so that
    /// the user's own systemd cannot apply it.
    pub(crate) fn needs_root(self) -> bool {
        match self {
            Self::CapabilityBoundingSet
            | Self::ProtectSystem
            | Self::ProtectHome
            | Self::PrivateTmp
            | Self::PrivateDevices
            | Self::PrivateMounts
            | Self::ProtectKernelTunables
            | Self::ProtectKernelModules
            | Self::ProtectKernelLogs
            | Self::ProtectControlGroups
            | Self::ProtectClock
            | Self::ProtectHostname
            | Self::ProtectProc => true,
            Self::NoNewPrivileges
            | Self::RestrictAddressFamilies
            | Self::RestrictNamespaces
            | Self::RestrictRealtime
            | Self::RestrictSUIDSGID
            | Self::LockPersonality
            | Self::MemoryDenyWriteExecute
            | Self::SystemCallArchitectures
            | Self::SystemCallFilter => false,
        }
    }

    /// Returns the strictest values of the setting, a line for each.
    pub(crate) fn values(self) -> &'static [&'static str] {
        match self {
            Self::CapabilityBoundingSet => &[""],
            Self::ProtectSystem => &["strict"],
            Self::ProtectProc => &["invisible"],
            Self::RestrictAddressFamilies => &["AF_UNIX AF_INET AF_INET6"],
            // A 32-bit program often runs on a 64-bit system, whose own architecture is allowed anyway.
            Self::SystemCallArchitectures if cfg!(target_arch = "x86") => &["x86"],
            Self::SystemCallArchitectures if cfg!(target_arch = "arm") => &["arm"],
            Self::SystemCallArchitectures => &["native"],
            Self::SystemCallFilter => &["@system-service", "~@privileged @resources"],
            _ => &["yes"],
        }
    }

    /// Returns the reason for the line.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoNewPrivileges => "No program that it executes gains privileges, as sudo would.",
            Self::CapabilityBoundingSet => {
                "It has no privilege of root; CAP_NET_BIND_SERVICE here would let it listen on a port below 1024."
            }
            Self::ProtectSystem => "It can write only to the directories that its keys name.",
            Self::ProtectHome => {
                "No key names a file in a home directory, or none is written there but the above."
            }
            Self::PrivateTmp => "Its temporary files are its own.",
            Self::PrivateDevices => "It has no disks or other devices, only /dev/null and the like.",
            Self::PrivateMounts => "What it mounts stays invisible to the rest of the system.",
            Self::ProtectKernelTunables => "It cannot change the kernel's settings.",
            Self::ProtectKernelModules => "It cannot load kernel modules.",
            Self::ProtectKernelLogs => "It cannot read the kernel's log.",
            Self::ProtectControlGroups => "It cannot change control groups, not even its own.",
            Self::ProtectClock => "It cannot set the clock.",
            Self::ProtectHostname => "It cannot rename the machine.",
            Self::ProtectProc => "It cannot see the processes of other users.",
            Self::RestrictAddressFamilies => {
                "It has sockets for this machine and for the Internet, but no raw packets and no rarer protocols."
            }
            Self::RestrictNamespaces => "It cannot make namespaces, which containers are made of.",
            Self::RestrictRealtime => "It cannot use real-time scheduling, which can starve other processes.",
            Self::RestrictSUIDSGID => "It cannot make a program that lends its user or group to others.",
            Self::LockPersonality => "It cannot switch the kernel to the behaviour of another system.",
            Self::MemoryDenyWriteExecute => {
                "It cannot execute memory that it can write, as a just-in-time compiler does."
            }
            Self::SystemCallArchitectures => "It makes system calls of its own architecture only.",
            Self::SystemCallFilter => {
                "It makes the system calls of a usual service, and gets EPERM from all others."
            }
        }
    }
}

impl fmt::Display for Hardening {
    /// Writes the name of the setting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
