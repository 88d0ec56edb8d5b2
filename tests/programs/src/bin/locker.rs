//! A process that holds locks until its standard input ends.
//!
//! Its arguments are the path, then for each lock the kind (`read`, `write`, or `description` for a lock of the open
//! file description, which has no owner), the first byte and the number of bytes.

use std::env::args;
use std::fs::File;
use std::io::{self, Read};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, flock};

fn main() {
    let arguments: Vec<_> = args().skip(1).collect();
    let (path, locks) = arguments.split_first().expect("a path");
    let file =
        File::options().read(true).write(true).create(true).truncate(false).open(path).expect("a file");
    for words in locks.chunks(3) {
        set(&file, words);
    }
    println!("locked");
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

fn set(file: &File, words: &[String]) {
    let [kind, start, length] = words else { panic!("three words for each lock") };
    let lock = flock {
        l_type: i16::try_from(if kind == "read" { libc::F_RDLCK } else { libc::F_WRLCK }).unwrap(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
        l_start: start.parse().expect("a number"),
        l_len: length.parse().expect("a number"),
        l_pid: 0,
    };
    let request = if kind == "description" { FcntlArg::F_OFD_SETLK(&lock) } else { FcntlArg::F_SETLK(&lock) };
    fcntl(file, request).expect("the lock is free");
}
