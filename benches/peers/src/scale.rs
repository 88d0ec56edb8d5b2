//! How much is measured: in full, or just enough to see that it works.

use std::time::Duration;

/// The extent of a measurement.
pub struct Scale {
    pub is_quick: bool,
    /// The rounds of starts and stops.
    pub rounds: usize,
    /// The rounds of repeated runs, of some seconds each.
    pub beats: usize,
    /// The periods, with the number of runs.
    pub periods: Vec<(Duration, u64)>,
    /// The numbers of daemons on one machine.
    pub daemons: &'static [usize],
    /// The numbers of cron expressions.
    pub expressions: &'static [usize],
    pub storms: usize,
}

impl Scale {
    /// Reads the command line's word: `quick`, a number of rounds, or none.
    pub fn of(word: Option<&str>) -> Self {
        if word == Some("quick") {
            return Self {
                is_quick: true,
                rounds: 1,
                beats: 1,
                periods: vec![(Duration::from_millis(10), 10)],
                daemons: &[1, 5],
                expressions: &[1, 100],
                storms: 1,
            };
        }
        let rounds = word.map_or(100, |rounds| rounds.parse().expect("`quick`, or the number of rounds"));
        Self {
            is_quick: false,
            rounds,
            beats: (rounds / 20).max(1),
            periods: vec![
                (Duration::from_secs(10), 2),
                (Duration::from_secs(1), 10),
                (Duration::from_millis(100), 50),
                (Duration::from_millis(10), 500),
                (Duration::from_millis(1), 5_000),
                (Duration::from_micros(100), 20_000),
            ],
            daemons: &[1, 10, 100, 1_000],
            expressions: &[1, 10, 100, 1_000, 10_000, 100_000],
            storms: 20,
        }
    }
}
