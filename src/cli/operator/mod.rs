//! The commands that talk to a running Ringway through its admin interface.

mod completions;
mod get;
mod options;
mod output;
mod replicas;
mod ring;
mod status;
mod table;

use std::process::ExitCode;

use clap::Subcommand;
use thiserror::Error;

use super::client::ClientError;
use super::tell;

/// The operator's commands.
#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// List the replicas of a service, one name a line.
    Rep(replicas::List),
    /// Add replicas; the new list is printed. `ringway add 2 a`: two more, one of them called a.
    Add(replicas::Change),
    /// Remove replicas; the new list is printed. `ringway rm 2 a`: two less, one of them a.
    Rm(replicas::Change),
    /// Send a request through the ingress and print the answer's body; exits with 1 unless its status is 2xx.
    Get(get::Get),
    /// Show services, replicas and cores.
    Status(status::Watch),
    /// Ask where keys go, and what would move.
    Ring(ring::Ring),
    /// Print the completions for a shell.
    Completions(completions::Completions),
}

/// Why a command did not do what it was asked for. Each is an exit code of its own kind.
#[derive(Debug, Error)]
enum CommandError {
    /// 1: Ringway refused, or something failed.
    #[error("{0}")]
    Failed(String),
    /// 2: the arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// 3: no Ringway answered.
    #[error("{0}; is Ringway running, and is --admin its admin.listen?")]
    Unreachable(ClientError),
    /// 3: nothing answered at the ingress.
    #[error("{0}")]
    NoAnswer(String),
    /// 0: whoever read the output has read enough.
    #[error("the output was closed")]
    OutputClosed,
}

impl CommandError {
    fn failed(reason: impl Into<String>) -> Self {
        CommandError::Failed(reason.into())
    }

    fn code(&self) -> u8 {
        match self {
            CommandError::Failed(_) => 1,
            CommandError::Usage(_) => 2,
            CommandError::Unreachable(_) | CommandError::NoAnswer(_) => 3,
            CommandError::OutputClosed => 0,
        }
    }
}

/// Runs a command and says on standard error why it failed.
pub(super) fn execute(command: OperatorCommand) -> ExitCode {
    let done = match command {
        OperatorCommand::Rep(list) => list.run(),
        OperatorCommand::Add(change) => change.run(replicas::Verb::Add),
        OperatorCommand::Rm(change) => change.run(replicas::Verb::Remove),
        OperatorCommand::Get(get) => get.run(),
        OperatorCommand::Status(watch) => watch.run(),
        OperatorCommand::Ring(ring) => ring.run(),
        OperatorCommand::Completions(completions) => completions.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CommandError::OutputClosed) {
                tell(format_args!("ringway: {}", output::one_line(&error.to_string())));
            }
            ExitCode::from(error.code())
        }
    }
}

/// Runs a command's exchanges on this thread.
fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CommandError::failed(format!("cannot start: {error}")))?.block_on(work)
}
