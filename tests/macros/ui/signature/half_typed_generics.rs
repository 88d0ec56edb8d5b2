use daemonic::daemon;

#[daemon(stdout = format!("/tmp/{id}.log"))]
fn example(list: Vec<, id: u8) {
    println!("{id}");
}

fn main() {
    let _ = example("start", Vec::<u8>::new(), 4);
}
