use daemonic::repeat_daemon;

struct Job;

#[repeat_daemon(every = "5s")]
fn example(job: Job) {
    drop(job);
}

fn main() {
    let _ = example("start", Job);
}
