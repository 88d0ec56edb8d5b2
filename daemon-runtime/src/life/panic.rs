//! Panics, in a program that unwinds or one that aborts.
//!
//! With `panic = "unwind"` a panic of the body is caught. With `panic = "abort"` the process ends right after the panic
//! hook, so the hook is the last chance to report.

use std::any::Any;
use std::panic;
use std::sync::Once;

use crate::life::instance;

/// Makes the panic hook report the panic and remove pidfiles, if the program aborts on panics. The program's own hook
/// stays, and is called first.
pub(crate) fn hook_if_aborting() {
    static HOOKED: Once = Once::new();
    if cfg!(panic = "abort") {
        HOOKED.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                before(info);
                instance::end_all(&reason(info.payload()));
            }));
        });
    }
}

/// Returns the reason that a launcher gets, with the panic's message if that is text.
pub(crate) fn reason(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.map_or_else(|| "panicked".into(), |text| format!("panicked: {text}"))
}
