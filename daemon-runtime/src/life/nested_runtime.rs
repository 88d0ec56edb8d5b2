//! A body that builds a tokio runtime inside another one.
//!
//! tokio then panics, before it polls the async body. Whether a body builds a runtime is not known before the call, and
//! a body that builds none works inside a runtime. So the panic itself is detected.

use std::any::Any;
use std::cell::Cell;
use std::panic;
use std::sync::Once;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    /// This thread is not watched.
    Unwatched,
    /// A body is being called, perhaps inside a runtime.
    Watched,
    /// The body has tried to build another runtime.
    Refused,
}

thread_local! {
    static NESTING: Cell<Nesting> = const { Cell::new(Nesting::Unwatched) };
}

/// Returns whether this thread is inside a runtime, as far as the features let us know.
pub(crate) fn is_inside() -> bool {
    #[cfg(feature = "tokio")]
    return tokio::runtime::Handle::try_current().is_ok();
    #[cfg(not(feature = "tokio"))]
    false
}

/// Returns whether tokio has refused to run the body that is watched.
pub(crate) fn is_refused() -> bool {
    NESTING.get() == Nesting::Refused
}

/// The watch over a body in this thread, until it is dropped.
#[must_use = "dropping this ends the watch"]
pub(crate) struct Watch {
    before: Nesting,
}

impl Watch {
    pub(crate) fn begin() -> Self {
        // Without the feature, it is not known whether there is a runtime.
        let may_be_inside = is_inside() || cfg!(not(feature = "tokio"));
        if may_be_inside {
            hook();
        }
        let nesting = if may_be_inside { Nesting::Watched } else { Nesting::Unwatched };
        Self { before: NESTING.replace(nesting) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        NESTING.set(self.before);
    }
}

/// Notes tokio's panic in place of printing it. The program's own hook stays, and is called for every other panic.
fn hook() {
    static HOOKED: Once = Once::new();
    // A program that aborts cannot report anything later.
    if cfg!(panic = "unwind") {
        HOOKED.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if NESTING.get() == Nesting::Watched && is_of_tokio(info.payload()) {
                    NESTING.set(Nesting::Refused);
                } else {
                    before(info);
                }
            }));
        });
    }
}

fn is_of_tokio(payload: &(dyn Any + Send)) -> bool {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.is_some_and(|text| text.starts_with("Cannot start a runtime from within a runtime"))
}
