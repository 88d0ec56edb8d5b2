//! Sleeping until a word in memory changes ([futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)).

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use nix::libc;
use nix::sys::time::TimeSpec;

/// Sleeps until the word is woken, no longer has this value, or the monotonic clock has reached the deadline.
///
/// May also return early, so callers check again.
pub(crate) fn wait(word: &AtomicU32, value: u32, deadline: Option<Duration>) {
    let deadline = deadline.and_then(representable).map(TimeSpec::from_duration);
    let timeout = deadline.as_ref().map_or(ptr::null(), |deadline| ptr::from_ref(deadline.as_ref()));
    // SAFETY: the word and the timespec outlive the call. Every failure (EINTR, ETIMEDOUT, EAGAIN) is a return that
    // callers expect.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            value,
            timeout,
            ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        );
    }
}

/// Wakes every thread that sleeps on the word. Async-signal-safe.
pub(crate) fn wake_all(word: &AtomicU32) {
    let (wake, all) = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, c_int::MAX);
    // SAFETY: the call only compares the word's address with those of the sleepers.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), wake, all) };
}

/// Returns `None` for a moment that the kernel's clock cannot reach, or that a `timespec` with 32 bits cannot hold.
fn representable(moment: Duration) -> Option<Duration> {
    let is_reached = i64::try_from(moment.as_nanos()).is_ok();
    #[allow(deprecated, reason = "libc warns that time_t of musl will change")]
    let fits = libc::time_t::try_from(moment.as_secs()).is_ok();
    (is_reached && fits).then_some(moment)
}
