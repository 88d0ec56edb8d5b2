//! Timers of the kernel ([timerfd_create(2)](https://man7.org/linux/man-pages/man2/timerfd_create.2.html)).
//!
//! They are for a clock that can be set, or that counts the time in suspend. A futex waits for neither.

#[cfg(target_os = "linux")]
pub(crate) use linux::Timer;
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::Timer;

/// Whether the system has these timers.
pub(crate) const HAS_TIMERS: bool = cfg!(target_os = "linux");

/// The clock of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerClock {
    /// The time since boot, with the time in suspend.
    Boot,
    /// The time since 1970, which can be set.
    #[cfg(feature = "cron")]
    Real,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

    use super::TimerClock;
    use crate::sys::descriptor::{above_floor, rounded_up};

    /// A timer. The kernel ends its wait at a moment of its clock, and also whenever that clock is set.
    pub(crate) struct Timer {
        timer: TimerFd,
        clock: TimerClock,
    }

    impl Timer {
        pub(crate) fn new(clock: TimerClock) -> nix::Result<Self> {
            let id = match clock {
                TimerClock::Boot => ClockId::CLOCK_BOOTTIME,
                #[cfg(feature = "cron")]
                TimerClock::Real => ClockId::CLOCK_REALTIME,
            };
            let timer = TimerFd::new(id, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
            let timer = above_floor(OwnedFd::from(timer))?;
            // SAFETY: the descriptor is a timer: the one that was just made, perhaps under another number.
            Ok(Self { timer: unsafe { TimerFd::from_owned_fd(timer) }, clock })
        }

        /// Sets the moment of the timer's clock at which [`wait`](Self::wait) returns.
        ///
        /// # Errors
        ///
        /// Fails if the descriptor is closed or is no longer a timer, because the body closes descriptors that it does
        /// not know. With `ECANCELED`, the clock has been set since the last wait.
        pub(crate) fn arm(&self, until: Duration) -> nix::Result<()> {
            let flags = match self.clock {
                TimerClock::Boot => TimerSetTimeFlags::TFD_TIMER_ABSTIME,
                #[cfg(feature = "cron")]
                TimerClock::Real => {
                    TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET
                }
            };
            // A time of zero would disarm the timer.
            let until = TimeSpec::from_duration(until.max(Duration::from_nanos(1)));
            self.timer.set(Expiration::OneShot(until), flags)
        }

        /// Waits until the timer has expired or its clock has been set, or until a signal comes or this time is over.
        pub(crate) fn wait(&self, timeout: Option<Duration>) {
            let mut fds = [PollFd::new(self.timer.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, timeout.map_or(PollTimeout::NONE, rounded_up)) == Ok(1) {
                // Clears the expiration, or the mark that the clock has been set.
                let _ = nix::unistd::read(&self.timer, &mut [0; 8]);
            }
        }

        /// Makes the timer expire at once. Async-signal-safe.
        pub(crate) fn wake(&self) {
            let at_once = TimeSpec::from_duration(Duration::from_nanos(1));
            let _ = self.timer.set(Expiration::OneShot(at_once), TimerSetTimeFlags::empty());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::time::Duration;

    use nix::errno::Errno;

    use super::TimerClock;

    /// A timer that cannot exist, because this system has none.
    pub(crate) enum Timer {}

    impl Timer {
        pub(crate) fn new(_: TimerClock) -> nix::Result<Self> {
            Err(Errno::ENOSYS)
        }

        pub(crate) fn arm(&self, _: Duration) -> nix::Result<()> {
            match *self {}
        }

        pub(crate) fn wait(&self, _: Option<Duration>) {
            match *self {}
        }

        pub(crate) fn wake(&self) {
            match *self {}
        }
    }
}
