#!/usr/bin/env python3
"""Decorators that turn a function into a daemon, as a small module of Python would have them.

decorators.py ACTION DIRECTORY
"""
import os
import signal
import sys
import time


def daemonize(pidfile, stdout):
    if os.fork():
        os._exit(0)
    os.setsid()
    os.umask(0)
    if os.fork():
        os._exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    with open(os.devnull) as null, open(stdout, "ab", 0) as log:
        os.dup2(null.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    with open(pidfile, "w") as file:
        file.write(f"{os.getpid()}\n")


def read(pidfile):
    try:
        with open(pidfile) as file:
            return int(file.read().strip())
    except (OSError, ValueError):
        return None


def start(function, pidfile, stdout):
    if read(pidfile):
        sys.exit(f"pidfile {pidfile} exists: is the daemon running?")
    daemonize(pidfile, stdout)
    function()


def stop(pidfile):
    pid = read(pidfile)
    if not pid:
        print("not running")
        return
    try:
        while True:
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.1)
    except ProcessLookupError:
        if os.path.exists(pidfile):
            os.remove(pidfile)


def daemon(pidfile, stdout):
    def decorate(function):
        def act(action):
            if action in ("stop", "restart"):
                stop(pidfile)
            if action in ("start", "restart"):
                start(function, pidfile, stdout)

        return act

    return decorate


directory = os.path.abspath(sys.argv[2])


@daemon(pidfile=directory + "/d.pid", stdout=directory + "/d.log")
def example():
    print("up", flush=True)
    while True:
        signal.pause()


example(sys.argv[1])
