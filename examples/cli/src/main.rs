//! A server whose command line is made by clap, with any number of instances.
//!
//! Put a greeting into `greeting.txt`. Then try `cargo run -p example-cli -- start --port 8080`, and
//! `cargo run -p example-cli -- --instance second start --port 8081`. The log of an instance is
//! `~/daemon_cli-INSTANCE.log`.

use std::io::{Write, stdout};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, path};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use daemonic::{Invocation, daemon};

use crate::Body::{Ensure, Restart, Run, Start};

/// A server that sends a greeting to every client.
#[derive(Parser)]
#[command(name = "cli", version)]
struct Cli {
    /// the instance that the action is for
    #[arg(long, global = true, default_value = "main")]
    instance: String,
    /// the file with the greeting
    // The directory of a daemon in the background is `/`, so a relative path would lead elsewhere.
    #[arg(long, global = true, default_value = "greeting.txt", value_parser = |file: &str| path::absolute(file))]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    // The program's own actions come first. An `Invocation` then adds only those that are missing.
    #[command(flatten)]
    Body(Body),
    #[command(flatten)]
    Other(Invocation),
    /// print completions for a shell
    Completions { shell: Shell },
    /// print the manual page
    Man,
}

/// The actions that run the body, each with the body's arguments.
#[derive(Subcommand)]
enum Body {
    /// start the server in the background; return once it listens
    Start(Options),
    /// stop the server if it is running, then start it
    Restart(Options),
    /// start the server unless it is running; return once it listens
    Ensure(Options),
    /// run the server in the foreground
    Run(Options),
}

#[derive(Args)]
struct Options {
    /// the port to listen on
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

fn main() -> ExitCode {
    let given = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&given).unwrap_or_else(|error| error.format(&mut Cli::command()).exit());
    let act = |port| {
        // The action with the options before it, whichever subcommand has read the arguments after it.
        let invocation = Invocation::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
        daemonic::report(serve(invocation, &cli.instance, &cli.config, port))
    };
    match &cli.command {
        Command::Body(Start(own) | Restart(own) | Ensure(own) | Run(own)) => return act(own.port),
        // The body does not run, so its port does not matter.
        Command::Other(_) => return act(0),
        Command::Completions { shell } => generate(*shell, &mut Cli::command(), "cli", &mut stdout()),
        Command::Man => Man::new(Cli::command()).render(&mut stdout()).expect("an open stdout"),
    }
    ExitCode::SUCCESS
}

// Without a `Context`, the stop signal ends the server at once.
#[daemon(name = format!("cli-{instance}"), wait_alive = "100ms",
    pidfile = home(instance, "pid"), stdout = home(instance, "log"))]
fn serve(instance: &str, config: &Path, port: u16) -> Result<(), String> {
    let greeting = fs::read(config).map_err(|error| format!("cannot read {}: {error}", config.display()))?;
    let listener = TcpListener::bind(("localhost", port)).map_err(|error| format!("port {port}: {error}"))?;
    println!("{instance} listens on port {port}");
    for mut client in listener.incoming().flatten() {
        let _ = client.write_all(&greeting);
    }
    Ok(())
}

fn home(instance: &str, kind: &str) -> PathBuf {
    env::home_dir().expect("a home directory").join(format!("daemon_cli-{instance}.{kind}"))
}
