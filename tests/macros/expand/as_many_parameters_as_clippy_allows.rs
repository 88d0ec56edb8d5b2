#[daemon]
fn move_to(x: u8, y: u8, z: u8, width: u8, height: u8, depth: u8, speed: u8) {
    println!("{x} {y} {z} {width} {height} {depth} {speed}");
}
