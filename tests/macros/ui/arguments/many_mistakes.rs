use daemonic::{Context, repeat_daemon};

#[repeat_daemon(
    pidfle = "/tmp/example.pid",
    stdout = "",
    stdout = "/tmp/example.log",
    umask = 0o1777,
    stop_signal = "SIGKILL",
    stop_timeout = "10 parsecs",
    times = -1,
    missed,
    on_error = "retry",
)]
const unsafe extern "C" fn example<T: Clone>(
    value: T,
    (first, second): (u8, u8),
    example: u8,
    context: &mut Context,
    other: Context,
) where
    u8: Copy,
{
    drop((value, first + second, example));
    while !context.is_stopping() && !other.is_stopping() {}
}

fn main() {
    let _ = example("start", "value", (1, 2), 3);
}
