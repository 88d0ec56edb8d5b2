use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s")]
fn example(listener: std::net::TcpListener) {
    drop(listener);
}

fn main() {
    let _ = example("start", std::net::TcpListener::bind("localhost:0").unwrap());
}
