use daemonic::daemon;

#[daemon]
extern "C" fn example() {}

fn main() {
    let _ = example("start");
}
