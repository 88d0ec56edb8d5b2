use daemonic::daemon;

struct Server;

impl Server {
    #[daemon]
    fn example(self: Box<Self>) {
        self.serve();
    }

    fn serve(&self) {}
}

fn main() {
    let _ = Box::new(Server).example("start");
}
