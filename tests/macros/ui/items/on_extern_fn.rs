use daemonic::daemon;

unsafe extern "C" {
    #[daemon]
    fn example(count: u8);
}

fn main() {
    let _ = unsafe { example(3) };
}
