#[allow(clippy::too_many_arguments, reason = "one of them is the action")]
fn move_to(
    action: impl ::daemonic::IntoAction,
    x: u8,
    y: u8,
    z: u8,
    width: u8,
    height: u8,
    depth: u8,
    speed: u8,
) -> ::daemonic::Result {
    fn move_to(x: u8, y: u8, z: u8, width: u8, height: u8, depth: u8, speed: u8) {
        println!("{x} {y} {z} {width} {height} {depth} {speed}");
    }
    ::daemonic::Daemon::new("move_to")
        .dispatch(action, move || move_to(x, y, z, width, height, depth, speed))
}
