/// Counts the days.
///
/// # Errors
/// If there is no calendar.
#[deprecated = "use a clock"]
#[expect(clippy::empty_loop, reason = "it is an example")]
#[must_use = "it says whether days are counted"]
pub(crate) fn count(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    #[inline(never)]
    fn count() -> ! {
        loop {}
    }
    ::daemonic::Daemon::new("count").dispatch(action, count)
}
