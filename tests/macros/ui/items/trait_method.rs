use daemonic::daemon;

trait Server {
    #[daemon]
    fn example(&self, port: u16);
}

fn main() {
}
