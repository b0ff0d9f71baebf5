//! What is measured, in order: the experiments that a person names, as single measurements without repetition.

use std::time::Duration;

use super::variant::{GIVEN, RENDEZVOUS, VARIANTS, Variant};

/// The number of servers that system A begins with.
pub const SERVERS: u32 = 3;
/// The numbers of servers that are compared.
pub const SERVERS_COMPARED: [u32; 5] = [FEWEST, SERVERS, 4, 5, MOST];
/// The fewest of them.
pub const FEWEST: u32 = 2;
/// The most of them.
pub const MOST: u32 = 6;
/// How long a server takes for an answer where loads are bounded, so that what is in flight on it is its work and not the
/// accident of a moment. Long enough that all connections have a request under way at its servers nearly all the time: at 5 ms
/// that was four fifths of them on two cores.
pub const BOUNDED_DELAY: Duration = Duration::from_millis(20);
/// No bound applies to a server that has fewer requests in flight.
const IN_FLIGHT_FLOOR: u32 = 16;
/// Connections where loads are bounded, at least: a fair share of them is well above that floor even among six servers.
pub const BOUNDED_CONNECTIONS_MIN: u32 = 2 * IN_FLIGHT_FLOOR * MOST;
/// The steady load under which a server is killed, in requests per second.
pub const STEADY_PER_SECOND: f64 = 2_000.0;
/// How long that lasts.
pub const STEADY_FOR: Duration = Duration::from_secs(5);
/// When the server is killed, counted from the beginning.
pub const KILL_AFTER: Duration = Duration::from_secs(2);

/// What system A asks for, and what is compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Experiment {
    /// Requests per server over three servers.
    Balance,
    /// Mean and standard deviation over two to six servers.
    Spread,
    /// Both with bounded loads.
    Bounded,
    /// A server is killed.
    Recovery,
}

impl Experiment {
    /// All of them, in order.
    pub const ALL: [Experiment; 4] =
        [Experiment::Balance, Experiment::Spread, Experiment::Bounded, Experiment::Recovery];

    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Experiment::Balance => "balance",
            Experiment::Spread => "spread",
            Experiment::Bounded => "bounded",
            Experiment::Recovery => "recovery",
        }
    }
}

/// One measurement, against a Ringway of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many requests, and who answers them.
    Count(Case),
    /// A steady load, and a server that is killed.
    Kill(&'static Variant),
}

/// Who answers requests under one placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The placement.
    pub variant: &'static Variant,
    /// The number of servers.
    pub servers: u32,
    /// Whether loads are bounded.
    pub bounded: bool,
}

impl Step {
    /// The placement.
    pub fn variant(self) -> &'static Variant {
        match self {
            Step::Count(case) => case.variant,
            Step::Kill(variant) => variant,
        }
    }

    /// The number of servers to begin with.
    pub fn servers(self) -> u32 {
        match self {
            Step::Count(case) => case.servers,
            Step::Kill(_) => SERVERS,
        }
    }

    /// Whether loads are bounded.
    pub fn is_bounded(self) -> bool {
        matches!(self, Step::Count(Case { bounded: true, .. }))
    }

    /// How long a server takes for an answer.
    pub fn delay(self) -> Duration {
        if self.is_bounded() { BOUNDED_DELAY } else { Duration::ZERO }
    }

    /// What it is, in a few words.
    pub fn label(self) -> String {
        match self {
            Step::Count(Case { variant, servers, bounded }) => {
                format!("{}, N = {servers}{}", variant.label, if bounded { ", bounded" } else { "" })
            }
            Step::Kill(variant) => format!("{}, N = {SERVERS}, one killed", variant.label),
        }
    }
}

/// The measurements that the experiments need, each once: one experiment's figures serve the others, too.
pub fn steps(experiments: &[Experiment]) -> Vec<Step> {
    let asked = |experiment| experiments.contains(&experiment);
    let counts = |variant, bounded, servers: &[u32]| -> Vec<Step> {
        servers.iter().map(|&servers| Step::Count(Case { variant, servers, bounded })).collect()
    };
    let mut steps = Vec::new();
    for variant in &VARIANTS {
        if asked(Experiment::Spread) || asked(Experiment::Bounded) {
            steps.extend(counts(variant, false, &SERVERS_COMPARED));
        } else if asked(Experiment::Balance) {
            steps.extend(counts(variant, false, &[SERVERS]));
        }
        if asked(Experiment::Bounded) {
            steps.extend(counts(variant, true, &SERVERS_COMPARED));
        }
    }
    if asked(Experiment::Recovery) {
        steps.extend([GIVEN, RENDEZVOUS].map(Step::Kill));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_experiment_has_its_measurements_and_none_is_made_twice() {
        use Experiment::{Balance, Bounded, Recovery, Spread};
        let cases: &[(&[Experiment], usize)] = &[
            (&[], 0),
            (&[Balance], 10),
            (&[Spread], 50),
            (&[Balance, Spread], 50),
            (&[Bounded], 100),
            (&[Recovery], 2),
            (&Experiment::ALL, 102),
        ];
        for (experiments, expected) in cases {
            let steps = steps(experiments);
            assert_eq!(steps.len(), *expected, "{experiments:?}");
            for (index, step) in steps.iter().enumerate() {
                assert!(!steps[..index].contains(step), "{experiments:?}: {step:?} twice");
            }
        }
    }
}
