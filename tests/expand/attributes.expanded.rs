/// Counts the days.
///
/// # Errors
/// If there is no calendar.
#[deprecated = "use a clock"]
#[allow(clippy::empty_loop)]
#[must_use]
pub(crate) fn count(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    #[inline(never)]
    fn count() -> ! {
        loop {}
    }
    ::daemonic::Daemon::new("count").dispatch(action, count)
}
