use daemonic::daemon;

#[daemon]
fn example(count: u8)
where
    u8: Copy,
{
    println!("{count}");
}

fn main() {
    let _ = example("start", 1);
}
