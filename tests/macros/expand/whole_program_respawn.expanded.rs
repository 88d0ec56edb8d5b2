fn main() -> ::std::process::ExitCode {
    fn main() {
        println!("a line");
    }
    ::daemonic::Daemon::new(::daemonic::program_name())
        .version(::core::env!("CARGO_PKG_VERSION"))
        .children(daemonic::Children::Leave)
        .respawn(::daemonic::Respawn::Never)
        .main(main)
}
