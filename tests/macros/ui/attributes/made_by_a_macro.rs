use daemonic::daemon;

macro_rules! daemons {
    ($name:ident, $pidfile:expr, $every:literal) => {
        #[daemon(pidfle = $pidfile)]
        fn $name() {}

        #[daemonic::repeat_daemon(every = $every)]
        fn repeated() {}
    };
}

daemons!(example, "/tmp/example.pid", "5 parsecs");

fn main() {}
