//! The pauses between the lives of a body, until it is given up.

use std::time::Duration;

use crate::command::respawn::Respawn;

/// The longest pause, as a multiple of the shortest.
const LONGEST: u32 = 60;

/// The next pause, with the number of failures so far.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    delay: Duration,
    /// The failures in a row after which there is no further life. 0 means no limit.
    limit: u32,
    /// The failures in a row.
    failures: u32,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(delay: Duration, limit: u32) -> Self {
        Self { delay, limit, failures: 0, next: delay }
    }

    /// Returns the pause after a life, or `None` if the body is given up.
    ///
    /// Each pause is twice the one before, up to the longest. After a life longer than the longest pause, the count
    /// begins anew: failures before that life do not count, and the pause after it is the shortest.
    pub(crate) fn after(&mut self, lived: Duration, has_failed: bool) -> Option<Duration> {
        let longest = self.delay.saturating_mul(LONGEST);
        if lived > longest {
            *self = Self::new(self.delay, self.limit);
        }
        self.failures = if has_failed { self.failures.saturating_add(1) } else { 0 };
        if self.limit != 0 && self.failures >= self.limit {
            return None;
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(longest);
        Some(pause)
    }
}

/// Returns whether a body gets another life after this end, which is not a stop.
pub(crate) fn wants(respawn: Respawn, has_failed: bool) -> bool {
    match respawn {
        Respawn::Never => false,
        Respawn::OnFailure => has_failed,
        Respawn::Always => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(61);

    fn seconds(pauses: impl IntoIterator<Item = Option<Duration>>) -> Vec<Option<u64>> {
        pauses.into_iter().map(|pause| pause.map(|pause| pause.as_secs())).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(1), 0);
        let pauses = (0..9).map(|_| backoff.after(SHORT, true));
        assert_eq!(seconds(pauses), [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Some));
    }

    #[test]
    fn pauses_double_after_success_too() {
        let mut backoff = Backoff::new(Duration::from_secs(2), 1);
        assert_eq!(seconds((0..3).map(|_| backoff.after(SHORT, false))), [2, 4, 8].map(Some));
    }

    #[test]
    fn the_limit_counts_failures_in_a_row() {
        let mut backoff = Backoff::new(Duration::from_secs(1), 3);
        let lives = [true, true, false, true, true, true];
        let pauses = lives.map(|has_failed| backoff.after(SHORT, has_failed));
        assert_eq!(seconds(pauses), [Some(1), Some(2), Some(4), Some(8), Some(16), None]);
    }

    #[test]
    fn the_tenth_failure_is_the_last_of_ten() {
        let mut backoff = Backoff::new(Duration::from_secs(1), 10);
        assert!((1..10).all(|_| backoff.after(SHORT, true).is_some()));
        assert_eq!(backoff.after(SHORT, true), None);
    }

    #[test]
    fn a_limit_of_one_allows_no_failure() {
        assert_eq!(Backoff::new(Duration::from_secs(1), 1).after(LONG, true), None);
    }

    #[test]
    fn a_long_life_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1), 3);
        let lived = [SHORT, SHORT, LONG, SHORT, SHORT];
        let pauses = lived.map(|lived| backoff.after(lived, true));
        assert_eq!(seconds(pauses), [Some(1), Some(2), Some(1), Some(2), None]);
    }

    #[test]
    fn a_life_as_long_as_the_longest_pause_is_not_long() {
        let mut backoff = Backoff::new(Duration::from_secs(1), 0);
        let longest = Duration::from_secs(60);
        assert_eq!(seconds((0..2).map(|_| backoff.after(longest, true))), [1, 2].map(Some));
    }

    #[test]
    fn a_long_success_clears_the_failures() {
        let mut backoff = Backoff::new(Duration::from_secs(1), 2);
        let lives = [(SHORT, true), (LONG, false), (SHORT, true), (SHORT, true)];
        let pauses = lives.map(|(lived, has_failed)| backoff.after(lived, has_failed));
        assert_eq!(seconds(pauses), [Some(1), Some(1), Some(2), None]);
    }

    #[test]
    fn the_clocks_end_is_a_pause() {
        let mut backoff = Backoff::new(Duration::MAX, 0);
        assert_eq!(backoff.after(SHORT, true), Some(Duration::MAX));
        assert_eq!(backoff.after(SHORT, true), Some(Duration::MAX));
    }

    #[test]
    fn no_limit_never_gives_up() {
        let mut backoff = Backoff { failures: u32::MAX, ..Backoff::new(Duration::from_secs(1), 0) };
        assert!(backoff.after(SHORT, true).is_some());
    }

    #[test]
    fn only_the_chosen_ends_are_respawned() {
        let ends = |respawn| [false, true].map(|has_failed| wants(respawn, has_failed));
        assert_eq!(ends(Respawn::Never), [false, false]);
        assert_eq!(ends(Respawn::OnFailure), [false, true]);
        assert_eq!(ends(Respawn::Always), [true, true]);
    }
}
