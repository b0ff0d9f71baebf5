//! `besieger`: what `bench/siege` sends against Ringway, and what it puts behind it. One thread; all chance comes from `--seed`.
//!
//! Each command but `work` prints a line of JSON a second, and a last one when it ends; all end when asked to (SIGINT, SIGTERM).

mod drip;
mod harass;
mod message;
mod misbehave;
mod tally;
mod tokens;
mod wire;
mod work;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

#[derive(Parser)]
#[command(about = "Besieges an HTTP proxy; see bench/siege")]
enum Command {
    /// Many connections on which nearly nothing happens.
    Drip(drip::Options),
    /// Clients that break every rule, and some that keep them and check their answers.
    Harass(harass::Options),
    /// Servers that break every rule, and one that keeps them.
    Misbehave(misbehave::Options),
    /// Clients and servers of one ledger: who got whose answer, and what was sent twice.
    Tokens(tokens::Options),
    /// Takes its share of a core, and does nothing else.
    Work(work::Options),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| LocalSet::new().block_on(&runtime, run(command)));
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("besieger: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found to be wrong.
async fn run(command: Command) -> std::io::Result<bool> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    match command {
        Command::Drip(options) => drip::run(options, told).await,
        Command::Harass(options) => harass::run(options, told).await,
        Command::Misbehave(options) => misbehave::run(options, told).await,
        Command::Tokens(options) => tokens::run(options, told).await,
        Command::Work(options) => work::run(options, told).await,
    }
}
