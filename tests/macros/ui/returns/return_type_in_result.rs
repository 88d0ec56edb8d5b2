use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s")]
fn example(count: u8) -> Result<Option<u8>, String> {
    Ok(Some(count))
}

fn main() {
    let _ = example("start", 3);
}
