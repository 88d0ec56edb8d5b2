/// Counts the days.
///
/// # Errors
/// If there is no calendar.
#[daemon]
#[deprecated = "use a clock"]
#[allow(clippy::empty_loop)]
#[inline(never)]
#[must_use]
pub(crate) fn count() -> ! {
    loop {}
}
