//! The waits of a [`Context`] for async bodies.
//!
//! One thread, begun by the first wait, sleeps on the flag and wakes every waiter: so a wait works in any
//! runtime, whichever drivers it has enabled, and a thousand waiters cost no descriptor.

use std::pin::pin;
use std::sync::OnceLock;
use std::thread;

use tokio::sync::Notify;

use crate::context::{Context, Event, Flag};

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
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub async fn event(&self) -> Event {
        self.until(|| self.pending()).await
    }

    async fn until<T>(&self, wanted: impl Fn() -> Option<T>) -> T {
        let flag = self.flag();
        flag.alarm.thread.get_or_init(|| {
            let (thread, seen) = (thread::Builder::new().name("daemonic".into()), flag.word());
            thread.spawn(move || flag.ring(seen)).expect("the system has a thread for us");
        });
        self.is_back();
        loop {
            let mut woken = pin!(flag.alarm.waiters.notified());
            // Counts from here on, so what comes between the look and the wait isn't missed.
            woken.as_mut().enable();
            match wanted() {
                Some(found) => return found,
                None => woken.await,
            }
        }
    }
}

impl Flag {
    /// Wakes the waiters at every change of the word since it was `seen`, until there is nothing left to tell.
    fn ring(&self, mut seen: u32) {
        while !self.is_stopping() {
            let changed = || Some(self.word()).filter(|word| *word != seen);
            seen = self.sleep(None, changed).unwrap_or(seen);
            self.alarm.waiters.notify_waiters();
        }
        self.alarm.waiters.notify_waiters();
    }
}
