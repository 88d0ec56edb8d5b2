//! A machine of a test's own: systemd as process 1, in namespaces and cgroups of its own.
//!
//! Its processes find nothing of the real machine that they could change: all file systems are
//! read-only, or empty and in memory, except the test's own directory. Its systemd knows only the
//! units of the test. The distribution's own would set up a whole machine, and clear `/tmp`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::shell::Shell;
use crate::systemd::{Journal, PROGRAM, newer_or_skip};
use crate::{available_or_skip, root_or_skip, wait_for};

/// Runs [`SCRIPT`] in cgroups and in namespaces of its own, until the machine is to end, and for at
/// most two minutes.
const SHELL: &str = r#"
name=daemonic-machine-$$
cgroups=()
tidy() {
    for cgroup in "${cgroups[@]}"; do
        # A process that has just been killed keeps it for a moment more.
        for _ in {1..200}; do
            find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
            [ -d "$cgroup" ] || break
            sleep 0.05
        done
    done
}
trap tidy EXIT
for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    if [ -e "$hierarchy/cgroup.procs" ]; then
        mkdir "$hierarchy/$name" || exit
        cgroups+=("$hierarchy/$name")
    fi
done
[ ${#cgroups[@]} -gt 0 ] || exit
mkfifo "$2/end"
exec 8<>"$2/end"
(
    for cgroup in "${cgroups[@]}"; do
        echo $BASHPID >"$cgroup/cgroup.procs" || exit
        grep -q "/$name\$" /proc/self/cgroup || exit
    done
    exec unshare -p -f -m -C -u -i -n --mount-proc --kill-child bash -c "$1" - "$2" "$3" 8<&-
) <&0 &
read -r -t 120 <&8
# unshare ignores a gentler signal, and takes its child along.
{ kill -KILL $! && wait $!; } 2>/dev/null
"#;

/// Becomes systemd, after it has made the machine around it. A child runs each line that it reads.
const SCRIPT: &str = r#"
set -eE
trap 'echo "is broken at: $BASH_COMMAND"; echo end >"$1/end"' ERR
[ $$ = 1 ]
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/test /run/systemd/system /run/systemd/journal
mount --bind "$1" /run/test
if [ -n "$2" ]; then mkdir /run/newer && mount --bind "$2" /run/newer; fi
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
while read -r _ mounted _; do
    case $mounted in
        / | /dev | /sys | /proc/sys) mount -o remount,bind,ro "$mounted" ;;
        /proc | /run | /run/test | /sys/fs/cgroup) ;;
        # A place that cannot be changed so is one of the kernel's own, or has an odd name.
        *) mount -o remount,bind,ro "$mounted" 2>/dev/null || true ;;
    esac
done </proc/self/mounts
# Generators make units of what is in `/etc`, and take most of the time of a `daemon-reload`.
for hidden in /usr/lib/systemd/{system,user}-generators; do
    if [ -d "$hidden" ]; then mount -t tmpfs tmpfs "$hidden"; fi
done
for own in /tmp /var /root /home /srv /etc/systemd/system /usr/local/bin /dev/shm; do
    mount -t tmpfs -o mode=0755 tmpfs "$own"
done
chmod 1777 /tmp /dev/shm
mkdir -p -m 1777 /var/tmp
mkdir -p "$1"
mount --move /run/test "$1"
# A unit of the distribution that cleans `/tmp` must not find the system's.
[ "$(stat -f -c %T /tmp)" = tmpfs ]
[ "$(ls -A /tmp)" = "${1#/tmp/}" ]
for file in /usr/probe /etc/probe /proc/sys/kernel/core_uses_pid; do
    if { : >>"$file"; } 2>/dev/null; then echo "is writable: $file"; false; fi
done
for target in sysinit basic multi-user shutdown timers default network; do
    printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' "$target" >"/run/systemd/system/$target.target"
done
# systemd logs nothing to a journal until these run. The test itself receives what it logs.
cat >/run/systemd/system/systemd-journald.socket <<END
[Unit]
DefaultDependencies=no
[Socket]
ListenDatagram=/run/systemd/journal/unused
ListenStream=/run/systemd/journal/stdout
END
cat >/run/systemd/system/systemd-journald.service <<END
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/bin/sleep infinity
END
# Another systemd than the installed one comes with its own tools.
if [ -n "$2" ]; then
    mkdir -p "$2"
    mount --bind /run/newer "$2"
    libraries=$2/usr/lib/x86_64-linux-gnu:$2/usr/lib/x86_64-linux-gnu/systemd
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/bin/systemctl "$@"\n' "$libraries" "$2" >/usr/local/bin/systemctl
    chmod 755 /usr/local/bin/systemctl
fi
mkdir /run/systemd/system/default.target.wants
ln -s ../systemd-journald.socket ../systemd-journald.service /run/systemd/system/default.target.wants/
ln -s "$1/journal" /run/systemd/journal/socket
(
    set +eE
    trap - ERR
    for _ in {1..400}; do
        state=$(systemctl is-system-running 2>/dev/null)
        case $state in running | degraded) break ;; esac
        sleep 0.05
    done
    echo "is $state"
    while IFS= read -r line; do
        eval "$line" </dev/null 2>&1
        echo "done $?"
    done
    echo end >"$1/end"
) <&0 &
export SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/system container=daemonic
if [ -n "$2" ]; then export LD_LIBRARY_PATH=$libraries; fi
exec setpriv --bounding-set=-sys_boot,-sys_time,-sys_module "$2/lib/systemd/systemd" --system --unit=default.target \
    --log-target=journal </dev/null >/dev/null 2>&1
"#;

/// The files of a journal that reads nothing of the real machine.
const JOURNALD: [(&str, &str); 3] = [
    ("journald.conf", "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n"),
    (
        "systemd-journald.socket",
        "[Unit]\nDefaultDependencies=no\n[Socket]\nListenDatagram=/run/systemd/journal/socket\n\
         ListenStream=/run/systemd/journal/stdout\nPassCredentials=yes\nReceiveBuffer=8M\n",
    ),
    (
        "systemd-journald.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nExecStart=/lib/systemd/systemd-journald\n\
         Sockets=systemd-journald.socket\nStandardOutput=null\n",
    ),
];

/// A machine. Dropping it ends all of its processes.
pub struct Machine {
    /// Dropped first: what it ends needs the directory.
    shell: Shell,
    folder: TempDir,
    journal: Journal,
}

impl Machine {
    /// Starts it, or skips the test where that is impossible.
    pub fn start_or_skip() -> Option<Self> {
        let is_there = root_or_skip() && available_or_skip("systemd", Path::new(PROGRAM).exists());
        is_there.then(|| Self::start_in("")).flatten()
    }

    /// Starts one whose systemd has version 253 or later, as `newer_or_skip` finds it.
    pub fn start_newer_or_skip() -> Option<Self> {
        newer_or_skip().and_then(|directory| Self::start_in(&directory))
    }

    /// Starts one with the systemd below a directory.
    fn start_in(directory: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a directory");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("permissions");
        let journal = Journal::listen(folder.path());
        let mut command = Command::new("bash");
        command.args(["-c", SHELL, "-", SCRIPT]).arg(folder.path()).arg(directory);
        command.env_clear().env("HOME", "/root");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let (shell, word) = Shell::spawn(command);
        let machine = Self { shell, folder, journal };
        let is_up = word.as_deref().is_some_and(|word| ["is running", "is degraded"].contains(&word));
        let need =
            format!("a systemd in a machine of its own, which {}", word.as_deref().unwrap_or("says nothing"));
        available_or_skip(&need, is_up).then_some(machine)
    }

    /// Returns a path in the directory that the machine shares with the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies a program into the shared directory, because the machine has an empty `/tmp`.
    pub fn bring(&self, program: &Path, name: &str) -> PathBuf {
        let copy = self.path(name);
        // Another process copies it. The fork of a parallel test would inherit the descriptor, and
        // executing the file would fail with ETXTBSY.
        let copied = Command::new("cp").arg(program).arg(&copy).status();
        assert!(copied.expect("cp runs").success());
        copy
    }

    /// Runs a line of shell as root in the machine, and returns the exit code and the output.
    #[track_caller]
    pub fn shell(&mut self, line: &str) -> (i32, String) {
        self.shell.run(line)
    }

    /// Runs a line of shell that must succeed.
    #[track_caller]
    pub fn does(&mut self, line: &str) -> String {
        self.shell.does(line)
    }

    /// Asks systemd for a property of a unit.
    #[track_caller]
    pub fn show(&mut self, unit: &str, property: &str) -> String {
        self.does(&format!("systemctl show --value --property {property} {unit}")).trim().to_owned()
    }

    /// Starts systemd's own journal, which from now on receives what would come to the test. Returns whether it runs,
    /// as [`available_or_skip`].
    pub fn start_journald_or_skip(&mut self) -> bool {
        for (name, text) in JOURNALD {
            fs::write(self.path(name), text).expect("a file");
        }
        let from = self.path("");
        let from = from.display();
        self.does("mkdir -p /run/systemd/journald.conf.d && rm /run/systemd/journal/socket");
        self.does(&format!("cp {from}/journald.conf /run/systemd/journald.conf.d/"));
        self.does(&format!("cp {from}/systemd-journald.* /etc/systemd/system/ && systemctl daemon-reload"));
        self.does("systemctl stop systemd-journald.socket systemd-journald.service");
        let (code, text) = self.shell("systemctl start systemd-journald.socket systemd-journald.service");
        available_or_skip(&format!("systemd-journald in a machine of its own: {text}"), code == 0)
    }

    /// Waits until a property of a unit has this value.
    #[track_caller]
    pub fn comes_to_show(&mut self, unit: &str, property: &str, value: &str) {
        let mut last = String::new();
        wait_for(format_args!("{property} of {unit} to be {value}"), || {
            last = self.show(unit, property);
            (last == value).then_some(())
        });
    }

    /// Waits until a line of shell prints this.
    #[track_caller]
    pub fn comes_to_print(&mut self, line: &str, text: &str) {
        wait_for(format_args!("{line} to print {text:?}"), || (self.shell(line).1 == text).then_some(()));
    }

    /// Ends the machine, and fails unless the messages above *info* about a unit are the expected ones.
    #[track_caller]
    pub fn complains(mut self, unit: &str, expected: &[&str]) {
        self.shell.end();
        assert_eq!(self.journal.complaints(unit), expected, "what systemd has logged of {unit}");
    }
}
