//! Arguments and the commands.

mod admin_server;
mod check;
mod client;
mod cores;
mod demo;
mod launch;
mod limits;
mod load;
mod operator;
mod owned;
mod parent;
mod run;
mod signals;
mod worker;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::provider::process::Launcher;

/// What the whole help ends with.
const AFTER_HELP: &str = "\
First steps:
  ringway                       serve the embedded default; then, in another terminal:
  ringway get /home             a request through the ingress
  ringway add 2 a               two replicas more, one of them called a
  ringway status --watch        what is there, each second
  ringway check FILE            what is wrong with a configuration, each mistake with its line
  ringway run -c FILE           serve it

Exit codes: 0 done; 1 refused or failed; 2 the arguments make no sense; 3 nothing answered.";

/// An ingress proxy that owns its replicas.
///
/// Without a command it serves its embedded default: 127.0.0.1:5000 in front of three echo workers, the admin interface on
/// 127.0.0.1:8081.
#[derive(Debug, Parser)]
#[command(name = "ringway", version, after_help = AFTER_HELP)]
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
        /// End when the process with this number does, which started this one.
        #[arg(long, value_name = "PID", hide = true)]
        end_with: Option<i32>,
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
    /// Send requests to a server, and measure its answers.
    Load(Box<load::Load>),
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
        Some(Command::Run { config, end_with }) => {
            end_with.map_or(Ok(()), parent::end_with).and_then(|()| run::run(&config))
        }
        Some(Command::Check { config }) => check::check(&config),
        Some(Command::Load(load)) => load::run(&load),
        Some(Command::Worker { worker }) => worker::run(worker),
        Some(Command::Launch { claim, directory, user, command }) => {
            launch::launch(&Launcher { claim, directory, user, command })
        }
        Some(Command::Operator(command)) => Ok(operator::execute(command)),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            tell(format_args!("ringway: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error. Whoever reads it may have left, or its disk may be full: that is no reason to end
/// otherwise than without it, and a panic would be one.
fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
