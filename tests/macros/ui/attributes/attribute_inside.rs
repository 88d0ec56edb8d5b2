fn example() {
    #![daemonic::daemon]
}

fn main() {
    let _ = example("start");
}
