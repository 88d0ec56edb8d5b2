//! Daemons that a macro writes.

macro_rules! daemons {
    ($(#[$meta:meta])* $visibility:vis $name:ident($arg:ident: $ty:ty) every $every:literal $body:block) => {
        $(#[$meta])*
        #[daemonic::repeat_daemon(every = $every, pidfile = format!("/tmp/{}-{hidden}.pid", $arg), umask = 0o20 + 2)]
        $visibility fn $name($arg: $ty, hidden: u8) {
            println!("{hidden}");
            $body
        }
    };
    ($value:literal, $item:item) => {
        #[daemonic::daemon(pidfile = $value)]
        $item
    };
    (main $($key:ident = $setting:expr_2021),*) => {
        #[daemonic::daemon($($key = $setting),*)]
        fn main() {
            all();
        }
    };
}

daemons! {
    /// Ticks.
    pub(crate) tick(arg: u32) every "5s" {
        println!("{arg}");
    }
}

daemons! {
    "/tmp/example.pid",
    fn example(context: &daemonic::Context) -> ! {
        loop {
            let _ = context.is_stopping();
        }
    }
}

daemons!(main name = "exam".to_owned() + "ple", umask = 0o20 | 0o2, user = 3);

fn all() {
    #[daemonic::daemon]
    fn in_a_fn(r#type: u8) {
        println!("{type}");
    }
    drop(tick("no action", 3, 4));
    drop(example("no action"));
    drop(in_a_fn("no action", 3));
}
