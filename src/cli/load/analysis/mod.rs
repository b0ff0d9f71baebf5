//! `ringway load analysis`: system A's analysis with one command, against servers that it starts itself.
//!
//! Each measurement has a [`proxy`] of its own, which [`configuration`] describes; [`mod@measure`] runs the load and hands the
//! record to `load::analysis`; [`output`] writes what came of it.

mod admin;
mod configuration;
mod incident;
mod leftovers;
mod machine;
mod measure;
mod output;
mod proxy;

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, value_parser};

use self::measure::Bench;
use self::output::Output;
use super::Engine;
use super::interrupt::Interrupt;
use crate::base::time::Moment;
use crate::cli::{Failure, cores, limits, tell};
use crate::engine::clock::Clock;
use crate::load::analysis::counts::Counted;
use crate::load::analysis::findings::figure;
use crate::load::analysis::recovery::Recovered;
use crate::load::analysis::steps::{Experiment, Step, steps};
use crate::load::analysis::{Analysis, Settings};
use crate::load::requests::{Distribution, Keys, MethodToken, RequestSpec, Requests, Template};

/// The most connections: each needs two descriptors in the proxy, too.
const CONNECTIONS_MAX: i64 = 8_192;
/// The most requests of a measurement: an hour of them.
const REQUESTS_MAX: u64 = 100_000_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct AnalysisArguments {
    /// Where report.md, data.json and the charts go; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "ringway-analysis")]
    out: PathBuf,
    /// How many requests each measurement of balance sends.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = value_parser!(u64).range(1..=REQUESTS_MAX))]
    requests: u64,
    /// How many connections they come over.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    connections: u32,
    /// What the keys are drawn from; the same seed gives the same keys.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The engine of the proxy and of the load tester.
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    engine: Engine,
    /// Only these experiments.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = PossibleValuesParser::new(Experiment::ALL.map(Experiment::name)).map(experiment))]
    only: Vec<Experiment>,
}

fn experiment(name: String) -> Experiment {
    Experiment::ALL.into_iter().find(|known| known.name() == name).unwrap_or(Experiment::Balance)
}

/// The field of a request that is its key.
const KEY_FIELD: &str = "X-Request-Id";

/// GET requests, each with a number of six digits as its key, all with the same probability.
fn requests(address: SocketAddr, seed: u64) -> Result<Requests, Failure> {
    Ok(Requests::new(RequestSpec {
        target: format!("http://{address}/home").parse()?,
        method: MethodToken::get(),
        fields: vec![format!("{KEY_FIELD}: {{key}}").parse()?],
        body: Template::verbatim(*b""),
        keys: six_digits(),
        seed,
        paths: None,
        writes: None,
        keep_alive: true,
    })?)
}

fn six_digits() -> Keys {
    Keys {
        first: 100_000,
        count: NonZeroU64::MIN.saturating_add(899_999),
        distribution: Distribution::Uniform,
    }
}

impl AnalysisArguments {
    /// Measures and writes the report. After a signal nothing is written, and nothing that was started is left.
    pub(in crate::cli) fn run(&self) -> Result<ExitCode, Failure> {
        let clock = Clock::start();
        let interrupt = Interrupt::catch()?;
        let output = Output::prepare(&self.out)?;
        limits::raise_descriptors();
        let engine = cores::choose(self.engine.choice())?;
        let bench = Bench { settings: self.settings(), engine, interrupt: &interrupt };
        let steps = steps(if self.only.is_empty() { &Experiment::ALL } else { &self.only });
        let mut analysis = Analysis {
            circumstances: machine::circumstances(engine, self.command()),
            settings: self.settings(),
            counted: Vec::new(),
            recovered: Vec::new(),
        };
        for (done, &step) in steps.iter().enumerate() {
            let measured = measure(&bench, step, &mut analysis);
            if interrupt.is_raised() {
                let all = steps.len();
                return Err(
                    format!("stopped after {done} of {all} measurements; no report was written").into()
                );
            }
            let outcome = measured.map_err(|failure| format!("{}: {failure}", step.label()))?;
            tell(format_args!("({}/{}) {}: {outcome}", done + 1, steps.len(), step.label()));
        }
        let took = clock.now().since(Moment::ORIGIN);
        analysis.circumstances.seconds = took.as_secs_f64();
        output.write(&analysis)?;
        tell(format_args!("{} s; see {}", took.as_secs(), output.report().display()));
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self) -> Settings {
        Settings { requests: self.requests, connections: self.connections, seed: self.seed }
    }

    /// The command that repeats this.
    fn command(&self) -> String {
        let mut command = format!(
            "ringway load analysis --requests {} --connections {} --seed {} --engine {}",
            self.requests,
            self.connections,
            self.seed,
            self.engine.name()
        );
        if !self.only.is_empty() {
            let names: Vec<&str> = self.only.iter().map(|experiment| experiment.name()).collect();
            command.push_str(&format!(" --only {}", names.join(",")));
        }
        command
    }
}

/// Makes one measurement and says in a few words what came of it.
fn measure(bench: &Bench<'_>, step: Step, analysis: &mut Analysis) -> Result<String, Failure> {
    Ok(match step {
        Step::Count(case) => {
            let counted = bench.count(case)?;
            let outcome = outcome_of_count(&counted);
            analysis.counted.push(counted);
            outcome
        }
        Step::Kill(variant) => {
            let recovered = bench.kill(variant)?;
            let outcome = outcome_of_kill(&recovered);
            analysis.recovered.push(recovered);
            outcome
        }
    })
}

fn outcome_of_count(counted: &Counted) -> String {
    let counts: Vec<String> = counted.answers.iter().map(|server| server.requests.to_string()).collect();
    let largest = figure(counted.balance.largest_over_fair);
    let unserved = match counted.unserved {
        0 => String::new(),
        unserved => format!(", {unserved} failed"),
    };
    format!("{}, the largest {largest} times fair{unserved}", counts.join(" "))
}

fn outcome_of_kill(recovered: &Recovered) -> String {
    let replaced = recovered
        .replaced_after_ms
        .map_or_else(|| "not replaced".to_owned(), |after| format!("replaced after {after:.0} ms"));
    format!("{replaced}, {} of {} requests failed", recovered.unserved(), recovered.requests)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        analysis: AnalysisArguments,
    }

    fn parse(arguments: &str) -> Result<AnalysisArguments, clap::Error> {
        let words = std::iter::once("analysis").chain(arguments.split_whitespace());
        Command::try_parse_from(words).map(|command| command.analysis)
    }

    #[test]
    fn the_command_of_a_report_repeats_it() {
        for (written, expected) in [
            ("", "--requests 10000 --connections 64 --seed 1 --engine auto"),
            (
                "--seed 7 --only spread,recovery --engine epoll --requests 9",
                "--requests 9 --connections 64 --seed 7 --engine epoll --only spread,recovery",
            ),
        ] {
            let command = parse(written).unwrap().command();
            assert_eq!(command, format!("ringway load analysis {expected}"));
            let again = parse(command.trim_start_matches("ringway load analysis")).unwrap();
            assert_eq!(again.command(), command);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for written in
            ["--requests 0", "--connections 0", "--only balance,nothing", "--engine kqueue", "more"]
        {
            assert!(parse(written).is_err(), "{written}");
        }
    }

    #[test]
    fn rendezvous_has_as_many_slots_as_the_report_says() {
        use crate::load::analysis::ring::RENDEZVOUS_SLOTS;
        use crate::placement::rendezvous::SLOTS;
        assert_eq!(RENDEZVOUS_SLOTS, SLOTS as u64);
    }

    #[test]
    fn keys_have_six_digits() {
        let keys = six_digits();
        assert_eq!((keys.first, keys.first + keys.count.get() - 1), (100_000, 999_999));
    }
}
