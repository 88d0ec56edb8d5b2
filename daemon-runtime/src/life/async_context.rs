//! The waits of a [`Context`] for async bodies.
//!
//! One thread, which the first wait starts, sleeps on the flag and wakes every waiter. So a wait works in any runtime,
//! whichever drivers it has enabled, and a thousand waiters cost no descriptor.

use std::pin::pin;
use std::thread;

use crate::life::context::{Context, Event};
use crate::life::state::State;
use crate::sys::clock::now;

impl Context {
    /// Waits until a stop is requested.
    ///
    /// Any number of tasks can wait, in any runtime. This method is cancel safe.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses a thread, which the first wait of a daemon needs.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    /// use std::process::Command;
    ///
    /// let mut is_stopped = false;
    /// Daemon::new("stopped-example").run(|context: &Context| {
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM to this process
    ///     let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    ///     runtime.block_on(context.stopped());
    ///     is_stopped = true;
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert!(is_stopped);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub async fn stopped(&self) {
        self.until(|| self.stop_requested().map(drop)).await;
    }

    /// Waits until a stop or a reload is requested.
    ///
    /// A stop comes before a reload, and is returned by every further call, so a body that waits for events needs no
    /// [`stopped`](Context::stopped). A reload is returned once, however many tasks wait. If the body does not report a
    /// result by [`reloaded`](Context::reloaded), the next call reports a success.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If it is a branch of `tokio::select!` and another branch completes first, no stop
    /// and no reload is lost.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses a thread, which the first wait of a daemon needs.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon, Event};
    ///
    /// let daemon = Daemon::new("event-example");
    /// let mut event = None;
    /// daemon.run(|context: &Context| {
    ///     let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    ///     daemon.reload().map_err(|error| error.to_string())?;
    ///     event = Some(runtime.block_on(context.event()));
    ///     Ok::<_, String>(())
    /// })?;
    /// assert_eq!(event, Some(Event::Reload));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub async fn event(&self) -> Event {
        let _wait = self.state().await_event();
        self.until(|| self.event_requested()).await
    }

    async fn until<T>(&self, wanted: impl Fn() -> Option<T>) -> T {
        let state = self.state();
        let State { flag, service_manager, .. } = state;
        flag.alarm.thread.get_or_init(|| {
            let (thread, seen) = (thread::Builder::new().name("daemonic".into()), flag.version());
            thread.spawn(move || state.wake_waiters(seen)).expect("the system can make one more thread");
        });
        loop {
            let mut woken = pin!(flag.alarm.waiters.notified());
            // Enabled before the look, so a request between the look and the wait is not missed.
            woken.as_mut().enable();
            // Here and not in the thread, because the watchdog watches the runtime.
            service_manager.feed_watchdog();
            match wanted() {
                Some(found) => return found,
                None => woken.await,
            }
        }
    }
}

impl State {
    /// Wakes the waiters at every request since the flag's version `seen`, and twice as often as a watchdog wants to be
    /// fed, until the daemon must stop.
    fn wake_waiters(&self, mut seen: u32) {
        let Self { flag, service_manager, .. } = self;
        while !flag.is_daemon_stopping() {
            let changed = || Some(flag.version()).filter(|version| *version != seen);
            let next_keep_alive = service_manager.watchdog().map(|period| now() + period / 2);
            seen = flag.sleep(next_keep_alive, changed).unwrap_or(seen);
            flag.alarm.waiters.notify_waiters();
        }
        flag.alarm.waiters.notify_waiters();
    }
}
