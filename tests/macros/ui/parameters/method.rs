use daemonic::{Context, daemon};

struct Server;

impl Server {
    #[daemon]
    fn example(&self, context: &Context, port: u16) -> u16 {
        while !context.is_stopping() {}
        self.next(port)
    }

    fn next(&self, port: u16) -> u16 {
        port + 1
    }
}

fn main() {
    let _ = Server.example("start", 80);
}
