//! A plain daemon.
use daemonic::Daemon;
fn main() -> std::process::ExitCode {
    let d = Daemon::new("plain").pidfile("/tmp/plain.pid").stdout("/tmp/plain.log");
    daemonic::report(d.dispatch(std::env::args().nth(1), || {
        loop {
            std::thread::park()
        }
    }))
}
