fn main() -> ::std::process::ExitCode {
    fn main() {
        println!("testing daemon ...");
    }
    ::daemonic::Daemon::new("main").pidfile("/tmp/example.pid").main(main)
}
