//! Panics, in a program that unwinds or one that aborts.
//!
//! With `panic = "unwind"` a panic of the body is caught, and the panic hook notes where it was. With `panic = "abort"`
//! the process ends right after the panic hook, so the hook is the last chance to report.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, Location, PanicHookInfo};
use std::sync::Once;
use std::thread;

use nix::sys::signal::Signal;

use crate::life::notice::Notice;
use crate::life::{event, instance};
use crate::lock::failure::Exit;

/// The texts of a panic.
pub(crate) struct Panic {
    reason: String,
    message: String,
}

thread_local! {
    /// The latest panic of this thread while this process was a daemon.
    static LATEST: Cell<Option<Panic>> = const { Cell::new(None) };
}

/// Makes the panic hook note the place of a panic, or report the panic if the program aborts on panics. The program's
/// own hook stays, and is called first.
pub(crate) fn hook() {
    static HOOKED: Once = Once::new();
    // A thread that panics may not change the hook.
    if thread::panicking() {
        return;
    }
    HOOKED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            after(info);
        }));
    });
}

fn after(info: &PanicHookInfo<'_>) {
    let Some(instance) = instance::current().next() else { return };
    let panic = Panic::new(info.payload(), info.location());
    event::emit(&instance.state.name, Notice::Panicked { error: &panic.message });
    if cfg!(panic = "abort") {
        let exit = Exit::Signal(Signal::SIGABRT as i32);
        instance::end_all(&panic.reason, Some(exit), Some(&panic.message));
    } else {
        // A thread that is ending has no such value any longer.
        let _ = LATEST.try_with(|latest| latest.set(Some(panic)));
    }
}

impl Panic {
    fn new(payload: &(dyn Any + Send), place: Option<&Location<'_>>) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let text = text.map_or_else(String::new, |text| format!(": {text}"));
        let place = place.map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        Self { reason: format!("panicked{text}"), message: format!("panicked{place}{text}") }
    }

    /// Returns the panic that this thread has just caught, with its place if the hook has noted that.
    pub(crate) fn caught(payload: &(dyn Any + Send)) -> Self {
        let panic = Self::new(payload, None);
        // A panic that another thread passes on does not call the hook, so the latest may be another one.
        let latest = LATEST.take().filter(|latest| latest.reason == panic.reason);
        latest.unwrap_or(panic)
    }

    /// Returns the reason that a launcher gets, with the panic's message if that is text.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the reason with the place of the panic.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
