use daemonic::daemon;

struct Server;

impl Server {
    #[daemon]
    fn example(server: Self) {
        drop(server);
    }
}

fn main() {
    let _ = Server::example("start", Server);
}
