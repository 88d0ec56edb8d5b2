//! Libraries that change what a program sees of its system, for systems that cannot be had here.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tool_or_skip;

/// A C library that hides the lines `lock:` of `/proc/PID/fdinfo`, as gVisor, WSL 1 and Linux
/// before 4.1 do.
const WITHOUT_LOCK_LINES: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int is_fdinfo(const char *path) {
    return strncmp(path, "/proc/", 6) == 0 && strstr(path, "/fdinfo/") != NULL;
}

/* Not inlined: a signal handler that opens another file may have a small stack. */
__attribute__((noinline)) static int censored(int fd) {
    char text[8192], *line, *end;
    ssize_t length;
    int copy;
    if (fd < 0) return fd;
    length = read(fd, text, sizeof text - 1);
    close(fd);
    copy = memfd_create("fdinfo", MFD_CLOEXEC);
    text[length < 0 ? 0 : length] = 0;
    for (line = text; *line; line = end) {
        end = strchr(line, '\n');
        end = end ? end + 1 : line + strlen(line);
        if (strncmp(line, "lock:", 5) != 0 && write(copy, line, end - line) < 0) break;
    }
    lseek(copy, 0, SEEK_SET);
    return copy;
}

#define MODE(flags, mode) \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); }
#define OPEN(name) int name(const char *path, int flags, ...) { \
    int mode = 0; \
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
    MODE(flags, mode) \
    return is_fdinfo(path) ? censored(real(path, flags, mode)) : real(path, flags, mode); }
#define OPENAT(name) int name(int directory, const char *path, int flags, ...) { \
    int mode = 0; \
    int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
    MODE(flags, mode) \
    return is_fdinfo(path) ? censored(real(directory, path, flags, mode)) : real(directory, path, flags, mode); }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)
"#;

/// Builds the library that hides the lines `lock:`, for `LD_PRELOAD`. Without a C compiler, the test is skipped, as in
/// [`available_or_skip`](crate::available_or_skip).
pub fn without_lock_lines(folder: &Path) -> Option<PathBuf> {
    // The programs may be for another target.
    let compiler = env::var("DAEMONIC_CC").unwrap_or("cc".into());
    if !tool_or_skip(&[&compiler, "--version"]) {
        return None;
    }
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    fs::write(&source, WITHOUT_LOCK_LINES).expect("a source");
    let mut compiler = Command::new(compiler);
    let status = compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status();
    assert!(status.expect("the compiler runs").success(), "the library does not build");
    Some(library)
}
