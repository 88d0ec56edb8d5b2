fn main() -> ::std::process::ExitCode {
    fn main() {
        println!("a line");
    }
    ::daemonic::Daemon::new(::daemonic::program_name())
        .children(daemonic::Children::Leave)
        .respawn(::daemonic::Respawn::Never)
        .main(main)
}
