//! Random pidfiles, actions, names and paths: each answer is a documented one, nothing panics, no
//! bystander is signalled, and nothing is left.
//!
//! `DAEMONIC_TORTURE=long` tries a hundred times as many. `DAEMONIC_SEED` repeats the run with that
//! seed.

use std::cell::{Cell, RefCell};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Answer as Printed, Conversation, Process, Subject, is_long};
use daemonic::{Action, Answer, Daemon, IntoAction};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tempfile::TempDir;

/// Tests a property with many inputs, and prints the seed.
#[track_caller]
fn fuzz<S: Strategy>(cases: u32, inputs: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos();
    let seed = env::var("DAEMONIC_SEED").map_or_else(|_| now(), |seed| seed.parse().expect("a number"));
    let cases = if is_long() { cases * 100 } else { cases };
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    common::torture::say(format_args!("{name}: {cases} cases, DAEMONIC_SEED={seed}"));
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    if let Err(failure) = TestRunner::new_with_rng(config, rng).run(&inputs, property) {
        panic!("DAEMONIC_SEED={seed}: {failure}");
    }
}

/// Processes that have nothing to do with any daemon. Any signal ends them.
struct Bystanders(Vec<Child>);

impl Bystanders {
    fn new() -> Self {
        let begin = || Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn().expect("a bystander");
        Self((0..3).map(|_| begin()).collect())
    }

    fn pids(&self) -> Vec<u32> {
        self.0.iter().map(Child::id).collect()
    }

    fn live(&self) -> Result<(), TestCaseError> {
        let is_alive = |child: &Child| Process(child.id().try_into().expect("a pid")).is_alive();
        prop_assert!(self.0.iter().all(is_alive), "a bystander was signalled");
        Ok(())
    }
}

impl Drop for Bystanders {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Generates the contents of a file: bytes, numbers of all sizes and forms, PIDs of bystanders.
fn contents(pids: Vec<u32>) -> impl Strategy<Value = Vec<u8>> {
    let pid = proptest::sample::select(pids);
    let number = prop_oneof![
        pid.prop_map(|pid| pid.to_string()),
        any::<i128>().prop_map(|number| number.to_string()),
        any::<u32>().prop_map(|number| number.to_string()),
        any::<i16>().prop_map(|number| number.to_string()),
        Just(i32::MAX.to_string()),
        Just("18446744073709551617".to_owned()),
        Just("0x7f".to_owned()),
    ];
    let space = "[ \t\r\n\0]{0,3}";
    let sign = "[-+]{0,2}";
    let text = (space, sign, "0{0,3}", number, space)
        .prop_map(|(before, sign, zeros, number, after)| [before, sign, zeros, number, after].concat());
    prop_oneof![
        3 => text.prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..64),
        1 => vec(0x20_u8..0x7f, 0..64),
        1 => Just(Vec::new()),
    ]
}

/// A pidfile in a directory of its own, as this process sees it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a directory") }
    }

    fn pidfile(&self) -> PathBuf {
        self.folder.path().join("x.pid")
    }

    fn daemon(&self) -> Daemon {
        Daemon::new("x").pidfile(self.pidfile())
    }

    fn entries(&self) -> usize {
        fs::read_dir(self.folder.path()).expect("a directory").count()
    }
}

const TOO_LONG: &str = "is not a pidfile: it has ";

#[test]
fn what_is_in_a_pidfile_makes_no_daemon_and_hurts_nobody() {
    let bystanders = Bystanders::new();
    let place = Place::new();
    let path = place.pidfile();
    fuzz(1_000, contents(bystanders.pids()), |bytes| {
        fs::write(&path, &bytes).unwrap();
        let status = place.daemon().status();
        match (bytes.len(), &status) {
            (0, Ok(outcome)) => prop_assert_eq!(outcome.answer(), &Answer::NotRunning),
            (1..=32, Ok(outcome)) => {
                prop_assert_eq!(outcome.answer(), &Answer::Stale { pidfile: path.clone() });
            }
            (33.., Err(error)) => prop_assert!(error.to_string().contains(TOO_LONG), "{}", error),
            _ => prop_assert!(false, "{:?}", status),
        }
        let reload = place.daemon().reload().unwrap_err();
        prop_assert_eq!(reload.is_not_running(), bytes.len() <= 32, "{}", reload);
        prop_assert_eq!(&fs::read(&path).unwrap(), &bytes, "status or reload has changed the file");
        let stop = place.daemon().stop();
        if bytes.len() <= 32 {
            prop_assert_eq!(stop.unwrap().answer().clone(), Answer::NotRunning);
            prop_assert_eq!(place.entries(), 0, "a stale pidfile is left");
        } else {
            prop_assert!(stop.unwrap_err().to_string().contains(TOO_LONG));
            prop_assert_eq!(&fs::read(&path).unwrap(), &bytes, "stop has changed what isn't a pidfile");
        }
        bystanders.live()
    });
}

/// Lets a launcher start and stop its daemon, which must succeed.
fn starts_and_stops(launcher: &mut Conversation, pidfile: &Path) -> Result<(), TestCaseError> {
    let started = launcher.say("start");
    prop_assert!(started.starts_with("Started { pid: "), "{}", started);
    let text = fs::read_to_string(pidfile).unwrap();
    prop_assert!(started.contains(&format!("pid: {} }}", text.trim_end())), "{} {:?}", started, text);
    let daemon = Process(text.trim_end().parse().unwrap());
    let status = launcher.say("status");
    prop_assert!(status.starts_with(&format!("Running {{ pid: {daemon},")), "{}", status);
    let stopped = launcher.say("stop");
    prop_assert!(stopped.starts_with(&format!("Stopped {{ pid: {daemon} }}")), "{}", stopped);
    prop_assert!(!daemon.is_alive());
    prop_assert!(!pidfile.exists());
    // This process has adopted it.
    daemon.killer();
    Ok(())
}

#[test]
fn a_daemon_starts_over_whatever_may_be_a_pidfile() {
    let bystanders = Bystanders::new();
    let subject = Subject::new().without("stdout");
    let path = subject.pidfile();
    let launcher = RefCell::new(subject.converse());
    fuzz(150, contents(bystanders.pids()), |bytes| {
        let launcher = &mut *launcher.borrow_mut();
        fs::write(&path, &bytes).unwrap();
        if bytes.len() <= 32 {
            starts_and_stops(launcher, &path)?;
        } else {
            // A restart does not get beyond its stop.
            for (action, part) in [("start", "start"), ("restart", "stop")] {
                let answer = launcher.say(action);
                prop_assert!(answer.starts_with(&format!("subject: failed to {part}: ")), "{}", answer);
                prop_assert!(answer.contains(TOO_LONG), "{}", answer);
            }
            prop_assert_eq!(&fs::read(&path).unwrap(), &bytes);
        }
        prop_assert_eq!(launcher.process.children(), "");
        bystanders.live()
    });
    assert_eq!(subject.processes(), [launcher.borrow().process]);
}

#[test]
fn what_is_written_over_a_living_daemons_pidfile_changes_nothing() {
    let bystanders = Bystanders::new();
    let subject = Subject::new().graceful("wait");
    let daemon = subject.start();
    let asker = RefCell::new(subject.converse());
    let words = vec(proptest::sample::select(vec!["status", "reload", "start"]), 1..4);
    fuzz(300, (contents(bystanders.pids()), words), |(bytes, words)| {
        let bytes = &bytes[..bytes.len().min(32)];
        fs::write(subject.pidfile(), bytes).unwrap();
        for word in words {
            let answer = asker.borrow_mut().say(word);
            let expected = match word {
                "status" => format!("Running {{ pid: {daemon}, up: Some("),
                "reload" => format!("Reloaded {{ pid: {daemon} }}"),
                _ => format!("subject: already running (pid {daemon})"),
            };
            prop_assert!(answer.starts_with(&expected), "{}", answer);
        }
        prop_assert_eq!(fs::read(subject.pidfile()).unwrap(), bytes);
        bystanders.live()
    });
    asker.into_inner().end();
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

/// A kind of thing that a path can lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Folder,
    FullFolder,
    Fifo,
    Socket,
    Null,
    Full,
    BlockDevice,
    Link,
    LinkToNothing,
    LinkToItself,
    LinkToFolder,
    SecondName,
    Long,
}

const THINGS: [Thing; 13] = [
    Thing::Folder,
    Thing::FullFolder,
    Thing::Fifo,
    Thing::Socket,
    Thing::Null,
    Thing::Full,
    Thing::BlockDevice,
    Thing::Link,
    Thing::LinkToNothing,
    Thing::LinkToItself,
    Thing::LinkToFolder,
    Thing::SecondName,
    Thing::Long,
];

impl Thing {
    fn make(self, path: &Path, other: &Path, mode: u32) {
        let mode_of = Mode::from_bits_truncate(mode);
        let device = |kind, major, minor| {
            // Only root may make it.
            if mknod(path, kind, mode_of, makedev(major, minor)).is_err() {
                mkfifo(path, mode_of).unwrap();
            }
        };
        match self {
            Self::Folder => fs::DirBuilder::new().mode(mode).create(path).unwrap(),
            Self::FullFolder => {
                fs::create_dir(path).unwrap();
                fs::write(path.join("precious"), "").unwrap();
            }
            Self::Fifo => mkfifo(path, mode_of).unwrap(),
            Self::Socket => drop(UnixListener::bind(path).unwrap()),
            Self::Null => device(SFlag::S_IFCHR, 1, 3),
            Self::Full => device(SFlag::S_IFCHR, 1, 7),
            // No driver has this device number.
            Self::BlockDevice => device(SFlag::S_IFBLK, 259, 999_999),
            Self::Link => {
                fs::write(other, "precious").unwrap();
                symlink(other, path).unwrap();
            }
            Self::LinkToNothing => symlink(other, path).unwrap(),
            Self::LinkToItself => symlink(path, path).unwrap(),
            Self::LinkToFolder => {
                fs::create_dir(other).unwrap();
                symlink(other, path).unwrap();
            }
            Self::SecondName => {
                fs::write(other, "precious").unwrap();
                fs::hard_link(other, path).unwrap();
            }
            Self::Long => fs::write(path, "x".repeat(33)).unwrap(),
        }
    }
}

/// Everything that can change about a file: its metadata and its contents.
fn traits(path: &Path) -> Option<([u64; 6], Vec<u8>)> {
    let stat = fs::symlink_metadata(path).ok()?;
    let bytes = if stat.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    let moment = u64::try_from(stat.mtime_nsec()).unwrap();
    Some(([stat.ino(), stat.mode().into(), stat.uid().into(), stat.nlink(), stat.size(), moment], bytes))
}

#[test]
fn what_is_no_regular_file_is_refused_and_left_as_it_is() {
    let subject = Subject::new();
    let launcher = RefCell::new(subject.converse());
    let (path, other) = (subject.pidfile(), subject.path("other"));
    let things = (proptest::sample::select(&THINGS[..]), 0..0o1000_u32);
    let seen = Cell::new(0);
    fuzz(200, (things, 0..5_usize), |((thing, mode), action)| {
        for last in [&path, &other] {
            if fs::remove_file(last).is_err() {
                let _ = fs::remove_dir_all(last);
            }
        }
        thing.make(&path, &other, mode);
        let before = (traits(&path), traits(&other));
        let word = ["start", "restart", "stop", "reload", "status"][action];
        let answer = launcher.borrow_mut().say(word);
        let verb = ["failed to start", "failed to stop", "failed to stop", "failed to reload", "unknown"];
        prop_assert!(answer.starts_with(&format!("subject: {}: ", verb[action])), "{:?}: {}", thing, answer);
        prop_assert!(answer.contains(path.to_str().unwrap()), "{:?}: {}", thing, answer);
        prop_assert_eq!(&before, &(traits(&path), traits(&other)), "{:?} after {}", thing, word);
        prop_assert_eq!(launcher.borrow().process.children(), "");
        seen.set(seen.get() | 1 << THINGS.iter().position(|other| *other == thing).unwrap());
        Ok(())
    });
    assert_eq!(subject.processes(), [launcher.borrow().process]);
    assert!(seen.get() >= 0x3ff, "only some kinds came up: {:b}", seen.get());
}

const WORDS: [&str; 7] = ["start", "stop", "restart", "ensure", "status", "reload", "run"];

/// Generates words in the place of an action.
fn actions() -> impl Strategy<Value = OsString> {
    let word = proptest::sample::select(&WORDS[..]);
    let odd =
        proptest::sample::select(vec![" ", "\n", "\0", "s", "ed", "\u{301}", ";", "=", "-", "\u{202e}"]);
    let nearly = (word.clone(), odd, any::<bool>())
        .prop_map(|(word, odd, before)| if before { [odd, word].concat() } else { [word, odd].concat() });
    prop_oneof![
        1 => word.clone().prop_map(OsString::from),
        2 => nearly.prop_map(OsString::from),
        1 => word.prop_map(|word| word.to_uppercase().into()),
        2 => any::<String>().prop_map(OsString::from),
        2 => vec(any::<u8>(), 0..40).prop_map(OsString::from_vec),
    ]
}

#[test]
fn a_word_is_an_action_or_is_refused_with_the_list() {
    let place = Place::new();
    fuzz(2_000, actions(), |word| {
        let known = word.to_str().and_then(|text| WORDS.iter().position(|known| *known == text));
        let read = word.as_os_str().into_action();
        prop_assert_eq!(known.is_some(), read.is_ok());
        prop_assert_eq!(&Some(word.clone()).into_action().ok(), &read.as_ref().ok().copied());
        if let Some(text) = word.to_str() {
            prop_assert_eq!(&text.parse::<Action>().ok(), &read.as_ref().ok().copied());
        }
        if let Ok(action) = read {
            prop_assert_eq!(action.to_string(), WORDS[known.unwrap()]);
            return Ok(());
        }
        let never = || panic!("the body of no action was called");
        let error = place.daemon().dispatch(word.clone(), never).unwrap_err();
        prop_assert!(error.is_usage());
        prop_assert_eq!(format!("{:?}", error.exit_code()), format!("{:?}", std::process::ExitCode::from(2)));
        let text = error.to_string();
        prop_assert!(text.starts_with("x: unknown action `"), "{}", text);
        prop_assert!(WORDS.iter().all(|known| text.contains(known)), "{}", text);
        prop_assert_eq!(place.entries(), 0, "something was touched");
        Ok(())
    });
}

#[test]
fn a_whole_program_takes_any_word_and_says_which_it_knows() {
    // Each case is a process, hence fewer cases. An argument cannot hold a NUL.
    let words = actions().prop_filter("an argument", |word| {
        let unusual = !WORDS.map(OsStr::new).contains(&word.as_os_str());
        unusual && !word.as_bytes().contains(&0) && !word.as_bytes().starts_with(b"-h") && word != "help"
    });
    let subject = Subject::new();
    fuzz(60, words, |word| {
        let mut command = subject.command(common::program("whole"));
        command.arg(&word).env("XDG_STATE_HOME", subject.path("."));
        let answer = Printed::of(command);
        prop_assert_eq!(answer.status.code(), Some(2), "{:?}", answer);
        prop_assert_eq!(&answer.stdout, "");
        // What is not UTF-8 is no option.
        let is_option = word.as_bytes().starts_with(b"-") && answer.stderr.contains("unknown option `");
        prop_assert!(is_option || answer.stderr.contains("unknown action `"), "{:?}", answer);
        prop_assert!(answer.stderr.contains("\nusage: "), "{:?}", answer);
        Ok(())
    });
}

#[test]
fn any_name_is_used_as_it_is_or_refused() {
    let names = prop_oneof![
        any::<String>(),
        "[a-z/\0 ]{0,8}",
        "\\PC{0,300}",
        "[\n\t\r \u{1b}'\"%$`]{1,20}",
        Just("x".repeat(251)),
        Just("x".repeat(252)),
        Just("ä".repeat(126)),
        Just(".".to_owned()),
        Just("..".to_owned()),
    ];
    let place = Place::new();
    fuzz(1_000, names, |name| {
        let is_word = !name.is_empty() && !name.contains(['/', '\0']);
        let status = Daemon::new(&name).pidfile(place.pidfile()).status();
        match &status {
            Ok(outcome) if is_word => prop_assert_eq!(outcome.to_string(), format!("{name}: not running")),
            Err(error) if !is_word => prop_assert!(error.to_string().contains("`name` must be"), "{}", error),
            _ => prop_assert!(false, "{:?}", status),
        }
        // The default path contains it, and may be too long for a file.
        let default = Daemon::new(&name).status();
        let fits = name.len() + ".pid".len() <= 255;
        match &default {
            Ok(outcome) => prop_assert!(is_word && fits, "{}", outcome),
            Err(error) if is_word && error.to_string().contains("give the key `pidfile`") => {}
            Err(error) if is_word && !fits => {
                prop_assert!(error.to_string().ends_with("File name too long (os error 36)"), "{}", error);
            }
            Err(error) => prop_assert!(!is_word, "{}", error),
        }
        prop_assert_eq!(place.entries(), 0);
        Ok(())
    });
}

/// Generates file names of any bytes that a name may have, troublesome ones more often.
fn file_names() -> impl Strategy<Value = OsString> {
    let byte = any::<u8>().prop_map(|byte| if [0, b'/'].contains(&byte) { b'\n' } else { byte });
    let name = prop_oneof![
        3 => vec(byte, 1..60),
        1 => "[ \n\t\r'\"\\\\%$`;&|*?]{1,30}".prop_map(String::into_bytes),
        1 => "\\PC{1,40}".prop_map(|text| text.replace('/', "_").into_bytes()),
        1 => (1..=255_usize).prop_map(|length| vec![b'x'; length]),
        1 => Just(vec![0xff; 255]),
    ];
    name.prop_filter("a name", |name| name != b"." && name != b"..").prop_map(OsString::from_vec)
}

#[test]
fn any_path_can_be_a_pidfiles() {
    fuzz(200, (vec(file_names(), 0..3), file_names()), |(folders, name)| {
        let place = Place::new();
        let folder = folders.iter().fold(place.folder.path().to_owned(), |path, name| path.join(name));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(&name);
        let daemon = || Daemon::new("x").pidfile(&path);
        prop_assert_eq!(daemon().status().unwrap().answer().clone(), Answer::NotRunning);
        // In the foreground, since this process has many threads.
        let (here, other) = (std::process::id(), RefCell::new(None));
        let ended = daemon().run(|| {
            let text = fs::metadata(&path).map(|stat| stat.len()).unwrap_or_default();
            let twin = daemon().run(|| panic!("a second body")).unwrap_err().pid();
            *other.borrow_mut() = Some((text, daemon().status().unwrap().pid(), twin));
        });
        prop_assert_eq!(ended.unwrap().answer().clone(), Answer::Finished { code: 0 });
        let (length, running, twin) = other.into_inner().expect("the body has run");
        prop_assert_eq!(usize::try_from(length).unwrap(), here.to_string().len() + 1);
        prop_assert_eq!((running, twin), (Some(here), Some(here)));
        prop_assert!(!path.exists());
        fs::write(&path, "7\n").unwrap();
        let stale = daemon().status().unwrap();
        prop_assert_eq!(stale.answer(), &Answer::Stale { pidfile: path.clone() });
        prop_assert!(!stale.to_string().is_empty());
        prop_assert_eq!(daemon().stop().unwrap().answer().clone(), Answer::NotRunning);
        prop_assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "something is left");
        Ok(())
    });
}

#[test]
fn a_daemon_starts_in_a_folder_of_any_name() {
    fuzz(40, file_names(), |name| {
        let subject = Subject::new().key("pidfile", "x.pid").key("stdout", "x.log").body("print hello; park");
        let folder = subject.path(".").join(&name);
        fs::create_dir(&folder).unwrap();
        let mut launcher = Conversation::with(subject.action("converse").current_dir(&folder));
        let (pidfile, log) = (folder.join("x.pid"), folder.join("x.log"));
        starts_and_stops(&mut launcher, &pidfile)?;
        prop_assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "more than the log");
        // The message names the path, however odd it looks.
        fs::remove_file(&log).unwrap();
        fs::create_dir(&log).unwrap();
        let failed = launcher.say("start");
        prop_assert!(failed.starts_with("subject: failed to start: cannot open stdout /"), "{}", failed);
        Ok(())
    });
}

/// Makes a path of a certain length whose directory exists.
fn path_of(folder: &Path, length: usize) -> PathBuf {
    let name = "n".repeat(240);
    let mut path = folder.to_owned();
    let missing = |path: &Path| length - name.len() - 1 - path.as_os_str().len();
    while missing(&path) > 400 {
        path.push("f".repeat(200));
    }
    while missing(&path) > 0 {
        // A `/` and the bytes of one more directory, or of the last but one.
        let rest = missing(&path) - 1;
        path.push("f".repeat(if rest <= 200 { rest } else { 150 }));
    }
    fs::create_dir_all(&path).unwrap();
    path.join(name)
}

#[test]
fn a_path_is_taken_up_to_the_systems_limit_and_refused_beyond_it() {
    let lengths = prop_oneof![3_900..4_200_usize, Just(4_095), Just(4_096)];
    fuzz(60, lengths, |length| {
        let place = Place::new();
        let path = path_of(place.folder.path(), length);
        prop_assert_eq!(path.as_os_str().len(), length);
        let daemon = || Daemon::new("x").pidfile(&path);
        let (ended, status) = (daemon().run(|| {}), daemon().status());
        if length < 4_096 {
            prop_assert_eq!(ended.unwrap().answer().clone(), Answer::Finished { code: 0 });
            prop_assert_eq!(status.unwrap().answer().clone(), Answer::NotRunning);
        } else {
            for error in [ended.unwrap_err(), status.unwrap_err(), daemon().stop().unwrap_err()] {
                prop_assert!(error.to_string().ends_with("File name too long (os error 36)"), "{}", error);
            }
        }
        prop_assert!(!path.exists());
        Ok(())
    });
}
