use daemonic::{Context, repeat_daemon};

#[repeat_daemon(every = "5s", setup = String::new())]
fn by_value(context: &Context, mut state: String, more: u8) {
    let _ = (context.is_stopping(), more);
    state.clear();
}

#[repeat_daemon(every = "5s", setup = String::new())]
fn shared(state: &String) {
    println!("{state}");
}

#[repeat_daemon(every = "5s", setup = String::new())]
fn trait_of_some_type(state: &mut impl Clone) {
    let _ = state.clone();
}

fn main() {
    let _ = by_value("status", 1);
    let _ = shared("status");
    let _ = trait_of_some_type("status");
}
