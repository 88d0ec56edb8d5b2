use daemonic::daemon;

// The mistake is in the key, so the key that needs it is not one too.
#[daemon(respwan = "always", respawn_limit = 3)]
fn example(id: &mut u8) {
    *id += 1;
}

fn main() {
    let _ = example("start", &mut 0);
}
