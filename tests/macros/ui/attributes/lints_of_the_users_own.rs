#![deny(dead_code, missing_docs, private_interfaces, unreachable_pub)]
//! The compiler says the same about a daemon as about any other fn.

use daemonic::{daemon, repeat_daemon};

#[daemon]
fn unused(count: u8) {
    println!("{count}");
}

/// Is documented.
pub mod inside {
    struct Hidden;

    #[daemonic::daemon]
    pub fn undocumented(hidden: Hidden) {
        drop(hidden);
    }
}

mod hidden {
    /// Ticks.
    #[super::repeat_daemon(every = "5s")]
    pub fn unreachable() {}
}

fn main() {
    drop(hidden::unreachable("start"));
}
