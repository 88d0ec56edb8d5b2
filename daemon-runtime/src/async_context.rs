//! The waits of a [`Context`] for async bodies.
//!
//! One thread, begun by the first wait, sleeps on the flag and wakes every waiter: so a wait works in any
//! runtime, whichever drivers it has enabled, and a thousand waiters cost no descriptor.

use std::pin::pin;
use std::sync::OnceLock;
use std::thread;

use tokio::sync::Notify;

use crate::context::{Context, Event, State};
use crate::sys::now;

/// What wakes the async waiters of a flag.
#[derive(Default)]
pub(crate) struct Alarm {
    waiters: Notify,
    thread: OnceLock<()>,
}

impl Context {
    /// Waits until a stop is asked for.
    ///
    /// Any number of tasks may wait, in any runtime.
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
    /// let mut stopped = false;
    /// Daemon::new("worker").pidfile("/tmp/stopped-example.pid").run(|context: &Context| {
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM for this process
    ///     let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    ///     runtime.block_on(context.stopped());
    ///     stopped = true;
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert!(stopped);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub async fn stopped(&self) {
        self.until(|| self.is_stopping().then_some(())).await;
    }

    /// Waits until a stop or a reload is asked for.
    ///
    /// A stop goes before a reload; a reload is told once, however many tasks wait.
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
    /// let daemon = Daemon::new("worker").pidfile("/tmp/event-example.pid");
    /// let mut event = None;
    /// daemon.clone().run(|context: &Context| {
    ///     let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    ///     daemon.clone().reload().map_err(|error| error.to_string())?;
    ///     event = Some(runtime.block_on(context.event()));
    ///     Ok::<_, String>(())
    /// })?;
    /// assert_eq!(event, Some(Event::Reload));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub async fn event(&self) -> Event {
        self.until(|| self.pending()).await
    }

    async fn until<T>(&self, wanted: impl Fn() -> Option<T>) -> T {
        let state = self.state();
        let State { flag, supervisor, .. } = state;
        flag.alarm.thread.get_or_init(|| {
            let (thread, seen) = (thread::Builder::new().name("daemonic".into()), flag.word());
            thread.spawn(move || state.ring(seen)).expect("the system has a thread for us");
        });
        supervisor.back();
        loop {
            let mut woken = pin!(flag.alarm.waiters.notified());
            // Counts from here on, so what comes between the look and the wait isn't missed.
            woken.as_mut().enable();
            // Here and not in the thread: it is the runtime's life that a watchdog wants to see.
            supervisor.beat();
            match wanted() {
                Some(found) => return found,
                None => woken.await,
            }
        }
    }
}

impl State {
    /// Wakes the waiters at every change of the flag since it was `seen`, and twice as often as a watchdog wants a sign
    /// of life, until there is nothing left to tell.
    fn ring(&self, mut seen: u32) {
        let Self { flag, supervisor, .. } = self;
        while !flag.is_stopping() {
            let changed = || Some(flag.word()).filter(|word| *word != seen);
            let pulse = supervisor.pulse().map(|pulse| now() + pulse / 2);
            seen = flag.sleep(pulse, changed).unwrap_or(seen);
            flag.alarm.waiters.notify_waiters();
        }
        flag.alarm.waiters.notify_waiters();
    }
}
