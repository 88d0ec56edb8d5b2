#![deny(warnings)]

#[daemonic::daemon(pidfile = format!("/run/example-{device}.pid"))]
fn example(#[cfg(unix)] device: u32, #[cfg(not(unix))] device: String, #[cfg(not(unix))] drive: char, port: u16) {
    println!("{device} {port}");
}

fn main() {
    println!("{:?}", example("status", 1, 80));
}
