//! The kernel's count of processes that it has killed because memory was short.

use crate::sys::procfs::read;

/// Returns the count of this process's control group
/// ([cgroup v2](https://docs.kernel.org/admin-guide/cgroup-v2.html), `memory.events`), if there is one.
pub(crate) fn kills() -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let events = read(&format!("/sys/fs/cgroup{path}/memory.events"))?;
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.parse().ok())
}
