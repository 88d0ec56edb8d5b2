use daemonic::daemon;

#[daemon(working_directory = None::<&str>)]
fn example() {}

fn main() {
    let _ = example("start");
}
