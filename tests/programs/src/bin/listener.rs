//! A daemon that inherits a socket which its caller has bound: `listener ACTION`.

use std::io::Write;
use std::net::TcpListener;

use daemonic::daemon;

#[daemon(pidfile = std::env::var("SUBJECT_PIDFILE").expect("a pidfile"))]
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    loop {
        let (mut connection, _) = listener.accept()?;
        connection.write_all(b"hello from the daemon")?;
    }
}

fn main() -> daemonic::Result {
    let listener = TcpListener::bind("localhost:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    serve(std::env::args().nth(1), &listener)
}
