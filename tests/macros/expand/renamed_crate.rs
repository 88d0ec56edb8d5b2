#[daemon(crate = crate::prelude::services, stop_signal = "TERM")]
fn example(context: &crate::prelude::services::Context) {
    while !context.is_stopping() {
        std::thread::park();
    }
}
