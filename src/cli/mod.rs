//! Arguments and the commands.

mod check;
mod client;
mod cores;
mod demo;
mod launch;
mod limits;
mod operator;
mod owned;
mod run;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::provider::process::Launcher;

/// An ingress proxy that owns its replicas.
///
/// Without a command it serves its embedded default: 127.0.0.1:5000 in front of three echo workers.
#[derive(Debug, Parser)]
#[command(name = "ringway", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what a configuration file says.
    Run {
        /// The configuration file.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say what is wrong with a configuration file.
    Check {
        /// The configuration file.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Run one of the bundled replicas.
    Worker {
        #[command(subcommand)]
        worker: worker::Worker,
    },
    /// Become a replica; the process provider starts this.
    #[command(hide = true)]
    Launch {
        /// Where to claim the start.
        #[arg(long, value_name = "PATH")]
        claim: PathBuf,
        /// Where to run the command.
        #[arg(long)]
        directory: Option<PathBuf>,
        /// Whom to run it as.
        #[arg(long)]
        user: Option<String>,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    #[command(flatten)]
    Operator(operator::OperatorCommand),
}

/// A command's failure: what to tell the operator.
type Failure = Box<dyn std::error::Error>;

/// Does what the arguments say.
pub fn execute(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        None => demo::run(),
        Some(Command::Run { config }) => run::run(&config),
        Some(Command::Check { config }) => check::check(&config),
        Some(Command::Worker { worker }) => worker::run(worker),
        Some(Command::Launch { claim, directory, user, command }) => {
            launch::launch(&Launcher { claim, directory, user, command })
        }
        Some(Command::Operator(command)) => Ok(operator::execute(command)),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("ringway: {failure}");
            ExitCode::FAILURE
        }
    }
}
