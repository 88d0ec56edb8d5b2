//! A run every period, by one of several loops: `beat FORM PERIOD-µs RUNS WORK-µs DIRECTORY`.
//!
//! After the last run it writes the moments of all runs, in nanoseconds, to the file `beats` in the directory. With zero
//! runs it never ends by itself. It prints a line when its first run begins.
#![allow(unsafe_code, reason = "sigtimedwait(2) has no safe form")]

use std::cell::RefCell;
use std::ffi::c_long;
use std::hint::spin_loop;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Daemon, Missed, Respawn};
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let [_, form, period, runs, work, directory] = words.as_slice() else { return ExitCode::from(2) };
    let number = |word: &String| word.parse::<u64>().expect("a number");
    let period = Duration::from_micros(number(period));
    let mut beats = Beats {
        moments: Vec::with_capacity(100_000),
        work: Duration::from_micros(number(work)),
        runs: number(runs),
        file: Path::new(directory).join("beats"),
    };
    let pidfile = Path::new(directory).join("d.pid");
    // As the other loops do, so that each run has a due time of its own.
    let daemon =
        || Daemon::new("beat").pidfile(&pidfile).every(period).times(number(runs)).missed(Missed::Burst);
    let result = match form.as_str() {
        "absolute" => {
            beats.by_absolute_sleep(period);
            return ExitCode::SUCCESS;
        }
        "sigtimedwait" => {
            beats.by_sigtimedwait(period, &pidfile);
            return ExitCode::SUCCESS;
        }
        "supervised" => {
            let beats = RefCell::new(beats);
            daemon().respawn(Respawn::OnFailure).run(move || beats.borrow_mut().run())
        }
        _ => daemon().run(|| beats.run()),
    };
    daemonic::report(result)
}

struct Beats {
    moments: Vec<u64>,
    work: Duration,
    runs: u64,
    file: PathBuf,
}

impl Beats {
    /// One run: notes the time, and works. The last one also saves the moments, in the process that has them.
    fn run(&mut self) {
        let begin = now();
        if self.moments.is_empty() {
            println!("up");
            let _ = std::io::stdout().flush();
        }
        self.moments.push(begin.as_nanos().try_into().unwrap_or_default());
        while now() < begin + self.work {
            spin_loop();
        }
        if self.is_over() {
            self.save();
        }
    }

    fn is_over(&self) -> bool {
        self.runs != 0 && self.moments.len() as u64 >= self.runs
    }

    fn by_absolute_sleep(&mut self, period: Duration) {
        let mut due = now();
        while !self.is_over() {
            self.run();
            due += period;
            let _ = clock_nanosleep(
                ClockId::CLOCK_MONOTONIC,
                ClockNanosleepFlags::TIMER_ABSTIME,
                &TimeSpec::from_duration(due),
            );
        }
    }

    /// Has a pidfile, as every daemon that can be stopped, and removes it at its end.
    fn by_sigtimedwait(&mut self, period: Duration, pidfile: &Path) {
        std::fs::write(pidfile, format!("{}\n", std::process::id())).expect("the pidfile");
        let stop = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&stop), None).expect("the mask");
        let mut due = now();
        'runs: while !self.is_over() {
            self.run();
            due += period;
            loop {
                let left = due.saturating_sub(now());
                let left = libc::timespec {
                    tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                    tv_nsec: c_long::from(left.subsec_nanos()),
                };
                // SAFETY: both pointers are valid, and a null `siginfo` is allowed.
                let signal =
                    unsafe { libc::sigtimedwait(stop.as_ref(), std::ptr::null_mut(), &raw const left) };
                if signal > 0 {
                    break 'runs;
                }
                if nix::errno::Errno::last() == nix::errno::Errno::EAGAIN {
                    break;
                }
            }
        }
        std::fs::remove_file(pidfile).expect("the pidfile");
    }

    fn save(&self) {
        let text: Vec<String> = self.moments.iter().map(u64::to_string).collect();
        std::fs::write(&self.file, text.join("\n")).expect("the moments");
    }
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).expect("the clock")
}
