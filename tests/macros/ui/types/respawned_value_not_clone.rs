use daemonic::daemon;
use std::net::TcpListener;

#[daemon(respawn = "on-failure")]
fn serve(listener: TcpListener) {
    drop(listener);
}

fn main() {
    let listener = TcpListener::bind("localhost:8080").unwrap();
    let _ = serve("start", listener);
}
