/* The same steps as src/bin/by_hand.rs, in C: by_hand ACTION DIRECTORY. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char pidfile[4096], log_path[4096];

static void fail(const char *what) {
    fprintf(stderr, "by_hand: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_pidfile(int create) {
    return open(pidfile, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | create, 0644);
}

static struct flock byte_0(void) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return lock;
}

/* Opens and locks the pidfile, and checks that the path still leads to it. */
static int lock_pidfile(void) {
    for (;;) {
        int fd = open_pidfile(O_CREAT);
        if (fd < 0) return -1;
        struct flock lock = byte_0();
        if (fcntl(fd, F_SETLK, &lock)) return -1;
        struct stat opened, named;
        if (fstat(fd, &opened)) return -1;
        if (!lstat(pidfile, &named) && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino) {
            if (!S_ISREG(opened.st_mode) || opened.st_nlink != 1 || ftruncate(fd, 0)) return -1;
            return fd;
        }
        close(fd);
    }
}

static void on_stop(int signal) {
    (void)signal;
    unlink(pidfile);
    _exit(0);
}

static void close_others(int one, int other) {
    int low = one < other ? one : other, high = one < other ? other : one;
    if (low > 3) syscall(SYS_close_range, 3, low - 1, 0);
    if (high > low + 1) syscall(SYS_close_range, low + 1, high - 1, 0);
    syscall(SYS_close_range, high + 1, ~0U, 0);
}

static void become_daemon(int null, int log, int report) {
    if (setsid() < 0) fail("setsid");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child) _exit(0);
    umask(022);
    int held = lock_pidfile();
    if (held < 0) fail("cannot lock the pidfile");
    if (chdir("/") || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) fail("streams");
    close_others(held, report);
    struct sigaction act = {.sa_handler = SIG_DFL};
    for (int number = 1; number < 32; number++)
        if (number != SIGKILL && number != SIGSTOP) sigaction(number, &act, NULL);
    act.sa_handler = on_stop;
    sigfillset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    char text[32];
    int length = snprintf(text, sizeof text, "%d\n", getpid());
    if (write(held, text, length) != length || write(report, text, length) != length) fail("write");
    close(report);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (write(1, "up\n", 3) != 3) fail("log");
    for (;;) pause();
}

static pid_t start(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];
    int log = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (null < 0 || log < 0 || pipe2(ends, O_CLOEXEC)) fail("cannot open the files");
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (!child) {
        close(ends[0]);
        become_daemon(null, log, ends[1]);
    }
    close(ends[1]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    waitpid(child, NULL, 0);
    char text[32] = "";
    if (read(ends[0], text, sizeof text - 1) <= 0) fail("the daemon ended");
    return atoi(text);
}

static pid_t owner(int fd) {
    struct flock lock = byte_0();
    if (fcntl(fd, F_GETLK, &lock)) fail("F_GETLK");
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static pid_t stop(void) {
    int fd = open_pidfile(0);
    if (fd < 0) return 0;
    pid_t pid = owner(fd);
    if (!pid) return 0;
    int process = syscall(SYS_pidfd_open, pid, 0);
    if (process < 0 || owner(fd) != pid) return 0;
    struct pollfd end = {.fd = process, .events = POLLIN};
    syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0);
    if (poll(&end, 1, 10000) != 1) {
        syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
        poll(&end, 1, -1);
    }
    if (!access(pidfile, F_OK) && lock_pidfile() >= 0) unlink(pidfile);
    return pid;
}

int main(int count, char **words) {
    if (count < 3) return 2;
    snprintf(pidfile, sizeof pidfile, "%s/d.pid", words[2]);
    snprintf(log_path, sizeof log_path, "%s/d.log", words[2]);
    pid_t pid = 0;
    if (!strcmp(words[1], "stop")) pid = stop();
    else if (!strcmp(words[1], "start")) pid = start();
    else if (!strcmp(words[1], "restart")) {
        stop();
        pid = start();
    } else {
        int fd = open_pidfile(0);
        pid = fd < 0 ? 0 : owner(fd);
        if (!pid) return 3;
    }
    printf("by_hand: %s (pid %d)\n", words[1], pid);
    return 0;
}
