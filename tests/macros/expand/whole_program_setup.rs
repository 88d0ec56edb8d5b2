#[repeat_daemon(every = "1m", setup = Vec::with_capacity(8))]
fn main(context: &daemonic::Context, lines: &mut Vec<String>) {
    lines.push(context.is_stopping().to_string());
}
