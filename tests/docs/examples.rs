//! The examples `cli`, `http`, `nightly`, `runner`, `tracing` and `worker`, used as documented.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use common::async_programs::Service;
use common::notice::unstamped;
use common::{Answer, Process, build, faketime, repository, tool_or_skip, wait_until};
use nix::sys::signal::Signal;

/// Returns the path of an example, built with the features of a service.
pub fn program(name: &str) -> &'static Path {
    static EXAMPLES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let words = "--package daemonic --example runner --example worker --example repeat --package example-http \
                 --bin example-http --features daemonic/service,daemonic/systemd";
    let examples = EXAMPLES.get_or_init(|| {
        let mut examples = build(&words.split_whitespace().collect::<Vec<_>>());
        for package in ["example-cli", "example-nightly", "example-tracing"] {
            // One at a time, since the features of one would change the others.
            examples.extend(build(&["--package", package]));
        }
        examples
    });
    let is_it = |path: &&PathBuf| path.ends_with(name) || path.ends_with(format!("example-{name}"));
    examples.iter().find(is_it).expect("an example of that name")
}

/// An example with a home directory of its own.
struct Example {
    service: Service,
    name: &'static str,
}

impl Example {
    fn new(name: &'static str) -> Self {
        Self { service: Service::of(program(name)), name }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.service.path(name)
    }

    fn program(&self) -> PathBuf {
        PathBuf::from(self.service.action("").get_program())
    }

    fn log_text(&self) -> String {
        fs::read_to_string(self.home(&format!("daemon_{}.log", self.name))).unwrap_or_default()
    }

    fn act(&self, words: &[&str]) -> Answer {
        let mut command = self.service.action(words[0]);
        command.args(&words[1..]).env("HOME", self.service.folder());
        Answer::of(command)
    }

    #[track_caller]
    fn start(&self, words: &[&str]) -> Process {
        let answer = self.act(&[&["start"], words].concat());
        let daemon = answer.pid();
        answer.says(0, &format!("{}: started (pid {daemon})", self.name));
        daemon
    }

    #[track_caller]
    fn stop(&self, daemon: Process) {
        self.act(&["stop"]).says(0, &format!("{}: stopped (pid {daemon})", self.name));
    }
}

// ---- http ----

/// What a client has received for a request.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    /// A whole answer, with this body.
    Answer(String),
    /// Less than a whole answer.
    Part(String),
    Nothing,
    /// The kernel's reset, because no process has read the request.
    Reset,
    /// There was no connection.
    Refused,
}

struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        if stream.local_addr().ok()? == address {
            // Without a listener, a socket may connect to itself.
            return None;
        }
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Some(Self(stream))
    }

    fn send(&mut self, path: &str) -> bool {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok()
    }

    /// Reads one answer of the length in its header.
    fn receive(&mut self) -> Got {
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            if let Some(body) = whole(&String::from_utf8_lossy(&text)) {
                return Got::Answer(body);
            }
            match self.0.read(&mut buffer) {
                Ok(length) if length > 0 => text.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset && text.is_empty() => {
                    return Got::Reset;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer in time"),
                _ if text.is_empty() => return Got::Nothing,
                _ => return Got::Part(String::from_utf8_lossy(&text).into_owned()),
            }
        }
    }
}

/// Returns the body of an answer once it is complete.
fn whole(text: &str) -> Option<String> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    (body.len() == length.parse::<usize>().expect("a length")).then(|| body.to_owned())
}

fn get(address: SocketAddr, path: &str) -> Got {
    let Some(mut client) = Client::connect(address) else { return Got::Refused };
    if !client.send(path) {
        return Got::Reset;
    }
    client.receive()
}

/// Starts the server on a free port.
fn serve(http: &Example) -> (Process, SocketAddr) {
    let daemon = http.start(&["127.0.0.1:0"]);
    // The server is ready, so the log has this line.
    let log = http.log_text();
    let address =
        log.rsplit_once("listening on ").and_then(|(_, rest)| rest.lines().next()).expect("an address");
    (daemon, address.parse().expect("an address"))
}

#[test]
fn http_is_ready_when_start_returns() {
    for _ in 0..10 {
        let http = Example::new("http");
        let (daemon, address) = serve(&http);
        assert_eq!(get(address, "/"), Got::Answer("Hello!\n".into()));
        http.stop(daemon);
        assert_eq!(get(address, "/"), Got::Refused);
        assert!(http.log_text().ends_with("stopping\nevery request is answered\n"), "{}", http.log_text());
    }
}

#[test]
fn http_fails_to_start_where_another_listens() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let http = Example::new("http");
    let reason = format!("cannot bind {address}: Address already in use (os error 98)");
    http.act(&["start", &address]).fails(1, &format!("http: failed to start: {reason}"));
    http.act(&["status"]).says(3, "http: not running");
    http.act(&["start", "nonsense"]).fails_naming(1, &["http: failed to start: cannot bind nonsense: "]);
    assert_eq!(http.service.processes(), []);
}

#[test]
fn http_fails_to_start_with_a_greeting_that_it_cannot_read() {
    let http = Example::new("http");
    let file = http.home("daemon_http.txt");
    fs::create_dir(&file).unwrap();
    let reason = format!("cannot read {}: Is a directory (os error 21)", file.display());
    http.act(&["start", "127.0.0.1:0"]).fails(1, &format!("http: failed to start: {reason}"));
    assert_eq!(http.service.processes(), []);
}

#[test]
fn http_reloads_its_greeting() {
    let http = Example::new("http");
    let file = http.home("daemon_http.txt");
    fs::write(&file, "first\n").unwrap();
    let (daemon, address) = serve(&http);
    let mut kept = Client::connect(address).unwrap();
    for greeting in ["second\n", "third\n"] {
        fs::write(&file, greeting).unwrap();
        http.act(&["reload"]).says(0, &format!("http: reloaded (pid {daemon})"));
        wait_until("the new greeting", || get(address, "/") == Got::Answer(greeting.into()));
        kept.send("/");
        assert_eq!(kept.receive(), Got::Answer(greeting.into()));
    }
    // After an error the action fails, and the server keeps the old greeting.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let reason = format!("failed to reload: cannot read {}: Is a directory (os error 21)", file.display());
    http.act(&["reload"]).fails(1, &format!("http: {reason}"));
    assert!(http.log_text().contains(&format!("Z ERROR http: {reason}\n")), "{}", http.log_text());
    assert_eq!(get(address, "/"), Got::Answer("third\n".into()));
    http.stop(daemon);
}

#[test]
fn http_answers_what_it_has_begun_before_it_stops() {
    let http = Example::new("http");
    let (daemon, address) = serve(&http);
    let mut clients: Vec<_> = (0..32).map(|_| Client::connect(address).unwrap()).collect();
    for client in &mut clients {
        assert!(client.send("/slow"));
    }
    wait_until("the requests to be begun", || slow_requests(&http) == 32);
    let idle = Client::connect(address).unwrap();
    http.stop(daemon);
    for client in &mut clients {
        assert_eq!(client.receive(), Got::Answer("Hello!\n".into()));
    }
    drop(idle);
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(get(address, "/"), Got::Refused);
}

#[test]
fn http_answers_what_is_on_the_way_when_the_stop_comes() {
    let http = Example::new("http");
    let (daemon, address) = serve(&http);
    let connect = || Client::connect(address).unwrap();
    // Clients that have asked before, clients that the server has accepted, and clients that it has
    // not.
    let mut clients: Vec<_> = (0..30).map(|_| connect()).collect();
    for client in &mut clients[..10] {
        client.send("/");
        assert_eq!(client.receive(), Got::Answer("Hello!\n".into()));
    }
    wait_until("the server to let all in", || daemon.connections() == 30);
    daemon.signal(Signal::SIGSTOP);
    wait_until("a halt", || daemon.status("State").starts_with('T'));
    clients.extend((0..10).map(|_| connect()));
    for client in &mut clients {
        assert!(client.send("/"));
    }
    daemon.signal(Signal::SIGTERM);
    daemon.signal(Signal::SIGCONT);
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.receive(), Got::Answer("Hello!\n".into()), "client {number}");
    }
    assert_eq!(daemon.exit_code(), 0);
}

fn slow_requests(http: &Example) -> usize {
    http.log_text().matches("a slow request has come\n").count()
}

#[test]
fn http_loses_no_request_while_it_is_hammered_and_stopped() {
    for _ in 0..5 {
        let http = Example::new("http");
        let (daemon, address) = serve(&http);
        let begun = Arc::new(AtomicUsize::new(0));
        let spawn = |counter: Arc<AtomicUsize>| thread::spawn(move || hammer(address, &counter));
        let hammers: Vec<_> = (0..8).map(|_| spawn(Arc::clone(&begun))).collect();
        let mut slow = Client::connect(address).unwrap();
        slow.send("/slow");
        wait_until("the request to be begun", || slow_requests(&http) == 1);
        wait_until("an answer for each hammer", || begun.load(Ordering::Relaxed) == 8);
        http.stop(daemon);
        assert_eq!(slow.receive(), Got::Answer("Hello!\n".into()));
        let got = hammers.into_iter().flat_map(|hammer| hammer.join().unwrap());
        let (answers, others): (Vec<_>, Vec<_>) = got.partition(|got| *got == Got::Answer("Hello!\n".into()));
        assert!(answers.len() >= 8, "the hammers haven't begun");
        let resets = others.iter().filter(|got| **got == Got::Reset).count();
        assert!(others.iter().all(|got| matches!(got, Got::Refused | Got::Reset)), "{others:?}");
        // The kernel completes connections by itself, so one may come between the server's last
        // accept and the end of its socket. The server has never accepted it.
        assert!(resets <= 1, "{resets} connections were reset");
    }
}

/// Sends requests, each on a connection of its own, until a connection is refused. Counts itself as begun once it has
/// the first answer.
fn hammer(address: SocketAddr, begun: &AtomicUsize) -> Vec<Got> {
    let mut all = vec![get(address, "/")];
    begun.fetch_add(1, Ordering::Relaxed);
    while all.last() != Some(&Got::Refused) {
        all.push(get(address, "/"));
    }
    all
}

// ---- worker ----

/// A job's text, and the result that it must have.
fn job(number: usize) -> (String, String) {
    let text = format!("job {number}\n{}", "word\n".repeat(number % 7));
    let result = format!("{} {} {}\n", 1 + number % 7, 2 + number % 7, text.len());
    (text, result)
}

impl Example {
    fn spool(&self, name: &str) -> PathBuf {
        self.home("daemon_spool").join(name)
    }

    /// Adds a job as documented.
    fn bring(&self, number: usize) {
        let draft = self.spool("new").join(format!(".{number}"));
        fs::write(&draft, job(number).0).unwrap();
        fs::rename(draft, self.spool("new").join(number.to_string())).unwrap();
    }

    /// Lists the jobs in a directory.
    fn jobs(&self, name: &str) -> BTreeSet<usize> {
        let entries = fs::read_dir(self.spool(name)).unwrap();
        entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect()
    }

    /// Fails if one of these jobs is lost, or has a wrong result.
    #[track_caller]
    fn has_all(&self, count: usize) {
        let [new, work, done] = ["new", "work", "done"].map(|name| self.jobs(name));
        for number in 0..count {
            let places = [&new, &work, &done].map(|jobs| jobs.contains(&number));
            assert!(places.contains(&true), "job {number} is lost");
            assert!(!(places[0] && (places[1] || places[2])), "job {number} is twice there: {places:?}");
        }
        for number in done {
            let result = fs::read_to_string(self.spool("done").join(number.to_string())).unwrap();
            assert_eq!(result, job(number).1, "job {number}");
        }
    }

    #[track_caller]
    fn does_all(&self, count: usize) {
        wait_until("the end of all jobs", || {
            self.jobs("done").len() == count && self.jobs("work").is_empty()
        });
        self.has_all(count);
        assert!(self.jobs("new").is_empty());
    }
}

#[test]
fn worker_does_what_it_is_brought() {
    let worker = Example::new("worker");
    let daemon = worker.start(&[]);
    // The worker is ready, so the directory for jobs exists.
    (0..20).for_each(|number| worker.bring(number));
    worker.does_all(20);
    wait_until("the log", || worker.log_text().matches("done: ").count() == 20);
    worker.stop(daemon);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn worker_stops_while_it_has_nothing_to_do() {
    let worker = Example::new("worker");
    let daemon = worker.start(&[]);
    worker.stop(daemon);
    assert_eq!(daemon.exit_code(), 0);
    worker.act(&["status"]).says(3, "worker: not running");
}

#[test]
fn worker_loses_no_job_by_stops_and_leaves_none_half_done() {
    let worker = Example::new("worker");
    let mut count = 0;
    for round in 0..10 {
        let daemon = worker.start(&[]);
        (0..50).for_each(|number| worker.bring(count + number));
        count += 50;
        wait_until("some work", || worker.jobs("done").len() > round * 10);
        worker.stop(daemon);
        assert_eq!(daemon.exit_code(), 0);
        assert!(worker.jobs("work").is_empty(), "a stop lets the job in work be done");
        worker.has_all(count);
    }
    worker.start(&[]);
    worker.does_all(count);
    // Each was done once.
    wait_until("the log", || worker.log_text().matches("done: ").count() == count);
}

#[test]
fn worker_loses_no_job_by_a_crash_and_takes_up_what_was_in_work() {
    let worker = Example::new("worker");
    let mut count = 0;
    for round in 0..10 {
        let daemon = worker.start(&[]);
        (0..50).for_each(|number| worker.bring(count + number));
        count += 50;
        wait_until("some work", || worker.jobs("done").len() > round * 10);
        daemon.signal(Signal::SIGKILL);
        daemon.wait_until_gone();
        assert!(worker.jobs("work").len() <= 1);
        worker.has_all(count);
    }
    worker.start(&[]);
    worker.does_all(count);
}

#[test]
fn worker_takes_up_first_what_a_crash_has_left() {
    let worker = Example::new("worker");
    let daemon = worker.start(&[]);
    worker.stop(daemon);
    (0..9).for_each(|number| worker.bring(number));
    fs::rename(worker.spool("new").join("7"), worker.spool("work").join("7")).unwrap();
    fs::write(worker.spool("done").join(".draft"), "half").unwrap();
    worker.start(&[]);
    worker.does_all(9);
    wait_until("the log", || unstamped(&worker.log_text()).lines().count() == 9);
    assert!(
        unstamped(&worker.log_text()).starts_with("done: 7\ndone: 0\n"),
        "{}",
        unstamped(&worker.log_text())
    );
    assert!(!worker.spool("done").join(".draft").exists());
}

#[test]
fn worker_leaves_alone_what_is_no_job_yet() {
    let worker = Example::new("worker");
    worker.start(&[]);
    fs::write(worker.spool("new").join(".5"), "half a j").unwrap();
    fs::create_dir(worker.spool("new").join("0")).unwrap();
    worker.bring(6);
    wait_until("the job", || worker.jobs("done").contains(&6));
    assert!(worker.spool("new").join(".5").exists() && worker.spool("new").join("0").is_dir());
    assert_eq!(worker.jobs("done").len(), 1);
}

#[test]
fn worker_fails_to_start_without_its_folder() {
    let worker = Example::new("worker");
    fs::write(worker.home("daemon_spool"), "no folder").unwrap();
    let reason = format!("cannot make {}: Not a directory (os error 20)", worker.spool("new").display());
    worker.act(&["start"]).fails(1, &format!("worker: failed to start: {reason}"));
    worker.act(&["status"]).says(3, "worker: not running");
}

#[test]
fn a_second_worker_is_refused() {
    let worker = Example::new("worker");
    let daemon = worker.start(&[]);
    worker.act(&["start"]).fails(1, &format!("worker: already running (pid {daemon})"));
}

// ---- runner ----

/// A script for the runner: it counts its lives, and leaves a program running in a session of its own.
const SCRIPT: &str = "echo life; setsid sleep 1000 & echo $! > sleeper; exec sleep 1000";

impl Example {
    fn start_script(&self) -> Process {
        let script = format!("cd '{}'; {SCRIPT}", self.home("").display());
        let daemon = self.start(&["sh", "-c", &script]);
        self.await_lives(1);
        daemon
    }

    fn await_lives(&self, count: usize) {
        wait_until("a life of the program", || {
            self.log_text().lines().filter(|line| *line == "life").count() == count
        });
    }

    /// Returns the program that the script has left running.
    fn sleeper(&self) -> Process {
        let pid = || fs::read_to_string(self.home("sleeper")).unwrap_or_default().trim().parse().ok();
        wait_until("the sleeper", || pid().is_some());
        Process(pid().unwrap())
    }
}

#[test]
fn runner_ends_the_program_and_what_that_has_started() {
    let runner = Example::new("runner");
    let daemon = runner.start_script();
    let sleeper = runner.sleeper();
    runner.stop(daemon);
    assert!(!sleeper.is_alive());
}

#[test]
fn runner_starts_the_program_again() {
    let runner = Example::new("runner");
    let daemon = runner.start_script();
    let sleeper = runner.sleeper();
    let shell = sleeper.parent().expect("the script's shell");
    shell.signal(Signal::SIGKILL);
    runner.await_lives(2);
    assert!(!sleeper.is_alive(), "the end of a life ends what it has started");
    let log = runner.log_text();
    assert!(
        log.contains(" WARN runner: respawning in 500ms: exit 1: sh has failed: signal: 9 (SIGKILL)\n"),
        "{log}"
    );
    runner.stop(daemon);
}

#[test]
fn runner_fails_to_start_what_is_no_program() {
    let runner = Example::new("runner");
    let reason = "cannot run /no/such/program: No such file or directory (os error 2)";
    runner.act(&["start", "/no/such/program"]).fails(1, &format!("runner: failed to start: {reason}"));
    let reason = "no program; write for example `start sleep 60`";
    runner.act(&["start"]).fails(1, &format!("runner: failed to start: {reason}"));
    runner.act(&["status"]).says(3, "runner: not running");
}

// ---- nightly ----

#[test]
fn nightly_runs_at_half_past_three() {
    let Some(library) = faketime::library_or_skip() else { return };
    let nightly = Example::new("nightly");
    let act_at = |time: &str, words: &[&str]| {
        let mut command = nightly.service.action(words[0]);
        command.args(&words[1..]).env("HOME", nightly.service.folder()).env("LD_PRELOAD", &library);
        command.env("FAKETIME", format!("@2026-05-{time}")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("TZ", "Europe/Berlin");
        Answer::of(command)
    };
    let act = |words: &[&str]| act_at("05 03:29:57", words);
    let daemon = act(&["start"]).pid();
    let next = act(&["next", "2"]).stdout;
    let lines: Vec<_> = next.lines().map(|line| line.split_once(", in ").expect("a time").0).collect();
    let at = |day: u32| format!("nightly: 2026-05-{day:02} 03:30:00 CEST (UTC+02:00)");
    assert_eq!(lines, [at(5), at(6)]);
    let is_logged = |text: &str| wait_until(text, || unstamped(&nightly.log_text()) == text);
    is_logged("good night\n");
    assert_eq!(act(&["once"]).stdout, format!("nightly: has done a run (pid {daemon})\n"));
    is_logged("good night\ngood night\n");
    nightly.stop(daemon);
    // The next morning, after a night without a daemon.
    let daemon = act_at("06 09:00:00", &["start"]).pid();
    wait_until("the run of that night", || nightly.log_text().matches("good night\n").count() == 3);
    assert!(
        nightly.log_text().contains("making up for a run, which was due 5h 30m"),
        "{}",
        nightly.log_text()
    );
    nightly.stop(daemon);
}

// ---- tracing ----

/// Returns the lines of a log without their times, which `tracing-subscriber` writes.
fn events(log: &str) -> Vec<String> {
    let event = |line: &str| line.split_once("Z ").map(|(_, rest)| rest.trim_start().to_owned());
    log.lines().map(|line| event(line).unwrap_or_else(|| panic!("no event: {line}"))).collect()
}

const READY: &str = "INFO example_tracing: ready period=10ms";
const STOPPING: &str = "INFO daemonic: stopping event=\"stopping\" daemon=\"tracing\" signal=\"SIGTERM\"";
const RELOADING: &str = "INFO daemonic: reloading event=\"reloading\" daemon=\"tracing\"";

#[test]
fn tracing_logs_every_event_and_loses_none_in_a_rotation() {
    let tracing = Example::new("tracing");
    let daemon = tracing.start(&["0.01"]);
    let beats = |log: &str| log.matches("still here beat=").count();
    wait_until("some beats", || beats(&tracing.log_text()) >= 3);
    let rotated = tracing.home("rotated");
    fs::rename(tracing.home("daemon_tracing.log"), &rotated).unwrap();
    tracing.act(&["reload"]).says(0, &format!("tracing: reloaded (pid {daemon})"));
    wait_until("beats in the new log", || beats(&tracing.log_text()) >= 3);
    tracing.stop(daemon);
    let old = fs::read_to_string(rotated).unwrap();
    let all = old + &tracing.log_text();
    assert!(!all.contains('\u{1b}'), "{all:?}");
    let events = events(&all);
    assert_eq!((&*events[0], &**events.last().unwrap()), (READY, STOPPING), "{all}");
    assert_eq!(events.iter().filter(|event| *event == RELOADING).count(), 1, "{all}");
    // A reload takes the place of a beat, so its number is missing.
    let numbers: Vec<usize> =
        events.iter().filter_map(|event| event.split_once("beat=")?.1.parse().ok()).collect();
    let reload = events.iter().position(|event| event.ends_with("there is nothing to reload"));
    let missing = events[..reload.unwrap()].iter().filter(|event| event.contains("beat=")).count() + 1;
    let expected: Vec<usize> = (1..=numbers.len() + 1).filter(|number| *number != missing).collect();
    assert_eq!(numbers, expected, "{all}");
}

#[test]
fn tracing_is_rotated_by_logrotate() {
    if !tool_or_skip(&["logrotate", "--version"]) {
        return;
    }
    let tracing = Example::new("tracing");
    let daemon = tracing.start(&["0.01"]);
    let (log, rotated) = (tracing.home("daemon_tracing.log"), tracing.home("daemon_tracing.log.1"));
    let config = tracing.home("logrotate.conf");
    let reload =
        format!("HOME={} {} reload", tracing.service.folder().display(), tracing.program().display());
    let text = format!("{} {{\nrotate 4\nnocreate\npostrotate\n{reload}\nendscript\n}}\n", log.display());
    fs::write(&config, text).unwrap();
    let mut logrotate = Command::new("logrotate");
    logrotate.args(["--force", "--state"]).arg(tracing.home("state")).arg(&config);
    let output = logrotate.output().expect("logrotate runs");
    assert!(output.status.success(), "{output:?}");
    wait_until("the new log", || tracing.log_text().contains(RELOADING));
    assert!(fs::read_to_string(rotated).unwrap().contains(READY));
    tracing.stop(daemon);
}

#[test]
fn tracing_logs_a_panic_and_an_error_as_one_event_each() {
    let tracing = Example::new("tracing");
    for (period, reason, event) in [
        ("soon", "\"soon\" is no number of seconds: invalid float literal", "ERROR example_tracing: "),
        (
            "-1",
            "panicked: cannot convert float seconds to Duration: value is negative",
            "ERROR daemonic: panicked ",
        ),
    ] {
        let _ = fs::remove_file(tracing.home("daemon_tracing.log"));
        tracing.act(&["start", period]).fails(1, &format!("tracing: failed to start: {reason}"));
        let log = tracing.log_text();
        let events = events(&log);
        assert_eq!(events.len(), 1, "{log}");
        assert!(events[0].starts_with(event), "{log}");
        assert!(events[0].contains(reason.trim_start_matches("panicked: ")), "{log}");
    }
}

// ---- cli ----

/// An instance of the example `cli`, with a port of its own.
struct Instance<'a> {
    cli: &'a Example,
    name: &'static str,
    port: u16,
}

impl Instance<'_> {
    /// Runs an action in the directory of the example, which has its configuration.
    fn act(&self, words: &[&str]) -> Answer {
        let mut command = self.cli.service.action("--instance");
        command.arg(self.name).args(words);
        command.env("HOME", self.cli.service.folder()).current_dir(self.cli.service.folder());
        Answer::of(command)
    }

    /// Carries out an action that starts the daemon with `--port`.
    #[track_caller]
    fn up(&self, action: &str, options: &[&str]) -> Process {
        let port = self.port.to_string();
        let answer = self.act(&[&[action, "--port", &port], options].concat());
        let daemon = answer.pid();
        answer.says(0, &format!("cli-{}: {action}ed (pid {daemon})", self.name));
        daemon
    }

    fn greeting(&self) -> String {
        let mut greeting = String::new();
        let mut client = TcpStream::connect(("localhost", self.port)).expect("a server");
        client.read_to_string(&mut greeting).expect("a greeting");
        greeting
    }
}

/// Finds a port that no process listens on. The kernel does not give ports of this range to clients.
fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let own = usize::try_from(std::process::id()).expect("a pid") % 500 * 20;
    let mut ports = (0..1000).map(|_| 20_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    let is_free = |port: &u16| TcpListener::bind(("localhost", *port)).is_ok();
    ports.find_map(|port| port.try_into().ok().filter(is_free)).expect("a free port")
}

#[test]
fn cli_serves_two_instances_that_have_their_own_options() {
    let cli = Example::new("cli");
    let [one, two] = ["one", "two"].map(|name| Instance { cli: &cli, name, port: free_port() });
    fs::write(cli.home("greeting.txt"), "hello\n").unwrap();
    fs::write(cli.home("other.txt"), "good morning\n").unwrap();
    let first = one.up("start", &[]);
    let second = two.up("start", &["--config", "other.txt"]);
    assert_eq!((one.greeting().as_str(), two.greeting().as_str()), ("hello\n", "good morning\n"));
    let taken = one.port.to_string();
    two.act(&["stop"]).says(0, &format!("cli-two: stopped (pid {second})"));
    two.act(&["status"]).says(3, "cli-two: not running");
    let reason = format!("port {taken}: Address already in use (os error 98)");
    two.act(&["start", "--port", &taken]).fails(1, &format!("cli-two: failed to start: {reason}"));
    let restarted = one.up("restart", &["--config", "other.txt"]);
    assert_eq!(one.greeting(), "good morning\n");
    assert!(!first.is_alive());
    one.act(&["stop"]).says(0, &format!("cli-one: stopped (pid {restarted})"));
}

#[test]
fn cli_names_the_whole_path_of_a_configuration_that_is_missing() {
    let cli = Example::new("cli");
    let instance = Instance { cli: &cli, name: "lost", port: 0 };
    let path = cli.home("greeting.txt");
    let reason = format!("cannot read {}: No such file or directory (os error 2)", path.display());
    instance.act(&["start"]).fails(1, &format!("cli-lost: failed to start: {reason}"));
}

#[test]
fn cli_refuses_what_its_command_line_does_not_have() {
    let cli = Example::new("cli");
    let instance = Instance { cli: &cli, name: "none", port: 0 };
    for words in
        [&["begin"][..], &["stop", "--port", "1"], &["start", "--port", "http"], &["start", "1"], &[]]
    {
        let answer = instance.act(words);
        assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(2), ""), "{answer:?}");
        assert!(answer.stderr.contains("Usage: ") || answer.stderr.contains("--help"), "{answer:?}");
    }
    instance
        .act(&["--all", "start"])
        .fails(2, "error: `--all` goes with `status` and `stop` only, not with `start`");
    // This one is an error of a field, whose end clap's derived code writes: one empty line and the usage.
    let text = "error: `--all` goes with `status` and `stop` only, not with `reload`\n\nUsage: cli ";
    let answer = instance.act(&["--all", "reload"]);
    assert!(answer.status.code() == Some(2) && answer.stderr.starts_with(text), "{answer:?}");
}

#[test]
fn cli_prints_completions_and_a_manual_page_with_every_action() {
    let cli = Example::new("cli");
    let print = |words: &[&str]| {
        let mut command = cli.service.action(words[0]);
        command.args(&words[1..]);
        let answer = Answer::of(command);
        assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""), "{answer:?}");
        answer.stdout
    };
    // The shell completes `cli st`.
    fs::write(cli.home("completions"), print(&["completions", "bash"])).unwrap();
    let mut shell = cli.service.command("bash");
    let script = r#". "$0"; COMP_WORDS=(cli st); COMP_CWORD=1; _cli cli st cli; echo "${COMPREPLY[@]}""#;
    shell.args(["-c", script]).arg(cli.home("completions"));
    Answer::of(shell).says(0, "start stop status");
    let (page, help) = (print(&["man"]), print(&["--help"]));
    assert!(page.contains("\n.TH cli 1 "), "{page}");
    for action in ["start", "stop", "restart", "ensure", "status", "reload", "logs", "check", "run"] {
        assert!(page.contains(&format!("\ncli\\-{action}(1)\n")), "{action} is not in {page}");
        assert!(help.contains(&format!("\n  {action} ")), "{action} is not in {help}");
    }
}

// ---- all ----

/// Returns every Rust file below a directory.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|kind| kind == "rs")).collect()
}

#[test]
fn no_file_of_an_example_has_more_than_sixty_lines_of_code() {
    let files = rust_files(&repository().join("examples"));
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("an example");
        let is_code = |line: &&str| {
            let line = line.trim_start();
            !line.is_empty() && ["//", "use ", "mod "].iter().all(|word| !line.starts_with(word))
        };
        let count = text.lines().filter(is_code).count();
        assert!(count <= 60, "{} has {count} lines of code", file.display());
    }
}
