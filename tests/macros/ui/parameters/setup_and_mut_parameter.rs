use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", setup = runs.len())]
fn f(state: &mut usize, runs: &mut Vec<u8>) {
    runs.push(0);
    *state += 1;
}

fn main() {
    let _ = f("status", &mut Vec::new());
}
