use daemonic::repeat_daemon;

#[repeat_daemon(every = "5M", stop_timeout = "1h 30 M", wait_ready = "1 month")]
fn example(context: &daemonic::Context) {
    context.ready();
}

fn main() {
    let _ = example("start");
}
