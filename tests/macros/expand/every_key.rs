#[repeat_daemon(
    name = "clock",
    pidfile = "/run/clock.pid",
    stdin = "/dev/null",
    stdout = "/var/log/clock.log",
    stderr = "/var/log/clock.err",
    working_directory = "/var/lib/clock",
    umask = 0o027,
    user = "nobody",
    group = 65534,
    chroot = "/var/lib",
    stop_signal = "SIGUSR1",
    stop_timeout = "1500ms",
    close_fds = false,
    wait_alive = "2s",
    respawn = "always",
    respawn_delay = "500ms",
    respawn_limit = 0,
    children = "end",
    version = "1.2.3",
    every = "250us",
    delay = "1m",
    jitter = "2s",
    clock = "boot",
    times = 1_000,
    missed = "burst",
    on_error = "stop",
    retry = 3,
    retry_delay = "10s",
    run_timeout = "1h",
    catch_up = true,
    state = "/var/lib/clock/last",
    setup = 5_u32
)]
fn tick(number: &mut u32) -> std::process::ExitCode {
    *number += 1;
    println!("tick");
    std::process::ExitCode::SUCCESS
}
