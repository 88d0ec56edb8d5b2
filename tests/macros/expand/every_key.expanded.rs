fn tick(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn tick(number: &mut u32) -> std::process::ExitCode {
        *number += 1;
        println!("tick");
        std::process::ExitCode::SUCCESS
    }
    ::daemonic::Daemon::new("tick")
        .name("clock")
        .pidfile("/run/clock.pid")
        .stdin("/dev/null")
        .stdout("/var/log/clock.log")
        .stderr("/var/log/clock.err")
        .working_directory("/var/lib/clock")
        .umask(0o027)
        .user("nobody")
        .group(65534)
        .chroot("/var/lib")
        .stop_signal(::daemonic::Signal::SIGUSR1)
        .stop_timeout(::core::time::Duration::from_millis(1500))
        .close_fds(false)
        .wait_alive(::core::time::Duration::from_secs(2))
        .respawn_delay(::core::time::Duration::from_millis(500))
        .respawn_limit(0)
        .children(::daemonic::Children::End)
        .version("1.2.3")
        .every(::core::time::Duration::from_micros(250))
        .delay(::core::time::Duration::from_secs(60))
        .jitter(::core::time::Duration::from_secs(2))
        .clock(::daemonic::Clock::Boot)
        .times(1_000)
        .missed(::daemonic::Missed::Burst)
        .on_error(::daemonic::OnError::Stop)
        .setup(move || 5_u32)
        .respawn(::daemonic::Respawn::Always)
        .dispatch(action, move |state: &mut u32| tick(state))
}
