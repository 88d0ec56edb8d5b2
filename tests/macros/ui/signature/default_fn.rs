use daemonic::daemon;

#[daemon]
default fn example() {}

fn main() {
    let _ = example("start");
}
