fn main() -> ::std::process::ExitCode {
    fn main() {
        println!("testing daemon ...");
    }
    ::daemonic::Daemon::new(::daemonic::program_name())
        .pidfile("/tmp/example.pid")
        .main(main)
}
