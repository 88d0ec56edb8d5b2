fn check(action: impl ::daemonic::IntoAction) -> ::daemonic::Result {
    fn check(state: &mut std::fs::File) -> std::io::Result<()> {
        std::io::Write::write_all(state, b"checked\n")
    }
    ::daemonic::Daemon::new("check")
        .every(::core::time::Duration::from_secs(10))
        .setup(move || std::fs::File::create("/run/check.state"))
        .dispatch(action, move |state: &mut std::fs::File| check(state))
}
