use daemonic::daemon;

#[daemon]
fn example() -> Result<i32, String> {
    Ok(3)
}

fn main() {
    let _ = example("start");
}
