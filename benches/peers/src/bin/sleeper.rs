//! A program for daemonizers that start another program.

fn main() -> std::io::Result<()> {
    daemonic_peers::body()
}
