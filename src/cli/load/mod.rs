//! `ringway load`: the load tester's options, threads, signals and files.

mod analysis;
mod interrupt;
mod options;
mod progress;
mod reach;
mod results;
mod run;
mod value;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, cores, limits, tell};
use crate::config::EngineChoice;
use crate::load::charts::charts;
use crate::load::record::Record;
use crate::load::summary::{Subject, Summary};
use interrupt::Interrupt;
use options::{LoadError, LoadOptions};
use progress::Bar;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Load {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Option<LoadOptions>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Measure how each placement spreads requests over its replicas, and what a killed one costs; write a report with charts.
    Analysis(analysis::AnalysisArguments),
}

/// What threads run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// io_uring where it works, else epoll.
    Auto,
    #[value(name = "io_uring")]
    IoUring,
    Epoll,
}

impl Engine {
    fn choice(self) -> EngineChoice {
        match self {
            Engine::Auto => EngineChoice::Auto,
            Engine::IoUring => EngineChoice::IoUring,
            Engine::Epoll => EngineChoice::Epoll,
        }
    }

    /// As it is written on the command line.
    fn name(self) -> &'static str {
        match self {
            Engine::Auto => "auto",
            Engine::IoUring => "io_uring",
            Engine::Epoll => "epoll",
        }
    }
}

/// Some requests were not answered well.
const SOME_FAILED: u8 = 1;
/// None was.
const NOTHING_ANSWERED: u8 = 3;

/// Runs the load tester.
pub(super) fn run(load: &Load) -> Result<ExitCode, Failure> {
    let done = match (&load.part, &load.options) {
        (Some(Part::Analysis(arguments)), _) => arguments.run(),
        (None, Some(options)) => measure(options),
        (None, None) => Err(LoadError::Usage("give the URL of a server".to_owned()).into()),
    };
    match done {
        Ok(code) => Ok(code),
        Err(failure) => {
            let code = failure.downcast_ref::<LoadError>().map_or(SOME_FAILED, LoadError::code);
            tell(format_args!("ringway load: {failure}"));
            Ok(ExitCode::from(code))
        }
    }
}

fn measure(options: &LoadOptions) -> Result<ExitCode, Failure> {
    let plan = options.prepare(limits::raise_descriptors())?;
    // Before the run: where a result cannot be written to should not show after an hour.
    let results = results::Results::open(options)?;
    let engine = cores::choose(options.engine.choice())?;
    let interrupt = Interrupt::catch()?;
    let mut bar = Bar::new(&plan, options.quiet);
    let record = run::execute(&plan, engine, &interrupt, &mut |progress| bar.show(progress));
    bar.finish();
    let record = record?;
    let (url, method) = (options.target.to_string(), options.methods(&plan.requests));
    let summary = Summary::of(&Subject::of(&plan, &url, &method, engine.name()), &record);
    results.write(&summary, || charts(&plan, &record))?;
    Ok(code(&record))
}

fn code(record: &Record) -> ExitCode {
    if record.answered() == 0 && record.begun > 0 {
        ExitCode::from(NOTHING_ANSWERED)
    } else if record.refused() + record.failed() > 0 {
        ExitCode::from(SOME_FAILED)
    } else {
        ExitCode::SUCCESS
    }
}
