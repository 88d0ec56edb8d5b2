fn main() -> ::std::process::ExitCode {
    fn main() {
        println!("testing daemon ...");
    }
    ::daemonic::Daemon::new(::daemonic::program_name())
        .version(::core::env!("CARGO_PKG_VERSION"))
        .pidfile("/tmp/example.pid")
        .main(main)
}
