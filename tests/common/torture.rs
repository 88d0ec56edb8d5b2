//! What the torture tests share: repeatable random choices, and parallel work.

use std::any::Any;
use std::env;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// Random choices by a seed, which is printed and which `DAEMONIC_SEED` sets.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(what: &str) -> Self {
        let given = env::var("DAEMONIC_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
            u64::from(now.subsec_nanos()) ^ now.as_secs() << 30
        });
        say(format_args!("{what}: DAEMONIC_SEED={seed}"));
        Self(seed)
    }

    /// Returns dice for one of many rounds, independent of the other rounds.
    pub fn of_round(&self, round: usize) -> Self {
        Self(self.0 ^ (round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Returns the next number, by `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}

/// Prints a line that the test harness does not capture.
pub fn say(line: impl std::fmt::Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Does the same work for many things, some at a time, and returns the results in the order of the
/// things. A failed assertion becomes an `Err`.
pub fn each<T: Sync, R: Send>(
    all: &[T],
    workers: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<Result<R, String>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<_>> = Mutex::new(all.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = all.get(at) else { break };
                    let result = attempt(|| work(one));
                    results.lock().expect("no panic")[at] = Some(result);
                }
            });
        }
    });
    results.into_inner().expect("no panic").into_iter().map(|result| result.expect("a result")).collect()
}

/// Does some work, and returns the message of a failed assertion as an `Err`.
pub fn attempt<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
}
