//! Debian's cron itself, on the two nights on which the clocks of Berlin change.
//!
//! libfaketime makes its clock run 120 times as fast, in namespaces of its own. This takes two
//! minutes, so it is done with `DAEMONIC_TORTURE=long` only.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the numbers are seconds of this century"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::torture::say;
use common::{available_or_skip, faketime, is_long, root_or_skip, tool_or_skip};
use daemon_schedule::{Schedule, UnixSeconds, Zone};
use tempfile::TempDir;

const FASTER: f64 = 120.0;

/// How late a job may begin, in seconds of the fake time: two real seconds. No two times of a job
/// are closer.
const LATEST: f64 = 240.0;

const JOBS: [&str; 8] = [
    "30 1 * * *",
    "30 2 * * *",
    "0,30 2 * * *",
    "*/30 2 * * *",
    "*/30 * * * *",
    "15 * * * *",
    "15 3 * * *",
    "20 0-23 * * *",
];

/// Puts a configuration of its own in the place of the system's, and runs cron for a while.
const NIGHT: &str = r#"
    set -e
    mount --make-rprivate /
    for folder in cron.d pam.d security default; do mkdir -p "$FOLDER/etc/$folder"; done
    cp -r /etc/passwd /etc/group /etc/shadow /etc/nsswitch.conf /etc/ld.so.cache "$FOLDER/etc/"
    cp -r /etc/pam.d /etc/security "$FOLDER/etc/"
    : >"$FOLDER/etc/environment"
    : >"$FOLDER/etc/crontab"
    mv "$FOLDER/jobs" "$FOLDER/etc/cron.d/jobs"
    chown root:root "$FOLDER/etc/cron.d/jobs"
    chmod 644 "$FOLDER/etc/cron.d/jobs"
    ln -s /usr/share/zoneinfo/Europe/Berlin "$FOLDER/etc/localtime"
    mkdir -p "$FOLDER/spool/crontabs" "$FOLDER/run"
    mount --bind "$FOLDER/spool" /var/spool/cron
    mount --bind "$FOLDER/run" /run
    mount --bind "$FOLDER/etc" /etc
    date +%s.%N >"$FOLDER/begun"
    TZ=Europe/Berlin LD_PRELOAD=$LIBRARY FAKETIME="@$FROM x120" FAKETIME_DONT_FAKE_MONOTONIC=1 \
        timeout "$SECONDS_OF_CRON" cron -f || [ $? = 124 ]
"#;

#[test]
fn in_spring_cron_starts_the_jobs_that_are_due() {
    // 00:50:30 CET, until 03:40 CEST.
    compare("2026-03-29 00:50:30", 1_774_738_800 + 3030, 110 * 60);
}

#[test]
fn in_autumn_cron_starts_the_jobs_that_are_due() {
    // 00:50:30 CEST, until 03:40 CET.
    compare("2026-10-25 00:50:30", 1_792_879_200 + 3030, 230 * 60);
}

fn compare(from: &str, start: i64, length: i64) {
    if !is_long() {
        return;
    }
    let library = faketime::library();
    let is_there = root_or_skip()
        && tool_or_skip(&["unshare", "--mount", "--pid", "--fork", "true"])
        && available_or_skip("cron", Path::new("/usr/sbin/cron").exists())
        && available_or_skip("libfaketime", library.is_some());
    let Some(library) = library.filter(|_| is_there) else { return };
    let folder = tempfile::tempdir().expect("a directory");
    let line = |(number, job): (usize, &&str)| {
        format!("{job} root date +\\%s.\\%N >>{}/job{number}\n", folder.path().display())
    };
    let lines: String = JOBS.iter().enumerate().map(line).collect();
    fs::write(folder.path().join("jobs"), lines).expect("a file");

    let seconds = length as f64 / FASTER;
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", NIGHT])
        .env("FOLDER", folder.path())
        .env("LIBRARY", library)
        .env("FROM", from)
        .env("SECONDS_OF_CRON", seconds.to_string())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .expect("unshare");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let begun = moments(&folder, "begun")[0];
    let zone = Zone::named("Europe/Berlin").expect("a zone");
    let mut count = 0;
    for (number, job) in JOBS.iter().enumerate() {
        let schedule = Schedule::new(job.parse().expect("an expression"), zone.clone());
        let last = UnixSeconds(start + length - LATEST as i64);
        let due: Vec<_> =
            schedule.upcoming(UnixSeconds(start)).take_while(|due| *due <= last).map(|due| due.0).collect();
        let fake = |moment: &f64| start as f64 + (moment - begun) * FASTER;
        let started: Vec<_> = moments(&folder, &format!("job{number}")).iter().map(fake).collect();
        let is_of = |due: &i64, moment: &f64| (0.0..LATEST).contains(&(moment - *due as f64));
        let told = || format!("`{job}`: due {due:?}, started {started:?}");
        // cron starts a job several times at the same moment; a schedule makes that one run.
        assert!(due.iter().all(|due| started.iter().any(|moment| is_of(due, moment))), "{}", told());
        assert!(started.iter().all(|moment| due.iter().any(|due| is_of(due, moment))), "{}", told());
        count += due.len();
    }
    assert!(count > 10, "{count} due times");
    say(format_args!("real_cron from {from}: {count} due times, 0 differences"));
}

/// Returns the moments that a file lists; none if there is no file.
fn moments(folder: &TempDir, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a number")).collect()
}
