#[daemon(crate = crate::prelude::daemonic, stop_signal = "TERM")]
fn example(context: &crate::prelude::daemonic::Context) {
    while !context.is_stopping() {}
}
