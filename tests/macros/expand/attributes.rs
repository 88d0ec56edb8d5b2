/// Counts the days.
///
/// # Errors
/// If there is no calendar.
#[daemon]
#[deprecated = "use a clock"]
#[expect(clippy::empty_loop, reason = "it is an example")]
#[inline(never)]
#[must_use = "it says whether days are counted"]
pub(crate) fn count() -> ! {
    loop {}
}
