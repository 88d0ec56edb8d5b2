use daemonic::daemon;

trait Server {
    #[daemon]
    fn example(port: u16);
}

fn main() {
}
