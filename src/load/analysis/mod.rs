//! System A's analysis: how evenly the placements spread requests, what a bound on loads does to that, and what clients see
//! when a replica is killed.
//!
//! [`steps`] says what is measured; of each step's record [`counts`] and [`recovery`] make figures; [`charts`] and [`report`]
//! show them, with sentences that [`findings`] chooses by what the figures are. Whoever calls this starts the replicas,
//! runs the load and writes the files.

pub mod charts;
pub mod counts;
pub mod findings;
mod markdown;
pub mod recovery;
pub mod report;
pub mod ring;
pub mod steps;
pub mod variant;

use serde::Serialize;

use self::counts::Counted;
use self::recovery::Recovered;
use self::variant::{Family, Variant};

/// Everything that was measured, and under what circumstances.
#[derive(Clone, Debug, Serialize)]
pub struct Analysis {
    /// On what, and by what command.
    pub circumstances: Circumstances,
    /// What was asked for.
    pub settings: Settings,
    /// How many requests each server got, in the order of the steps.
    pub counted: Vec<Counted>,
    /// What a kill did, in the order of the steps.
    pub recovered: Vec<Recovered>,
}

/// What a reader has to know to compare the figures with others.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Circumstances {
    /// The version of Ringway, and how it was built.
    pub version: String,
    /// The command that repeats this.
    pub command: String,
    /// The day, as `2026-11-22`.
    pub date: String,
    /// The processor, its cores, the memory.
    pub machine: String,
    /// The operating system and its version.
    pub system: String,
    /// The engine of the proxy.
    pub proxy_engine: String,
    /// The engine of the load tester.
    pub load_engine: String,
    /// How long all of it took, in seconds.
    pub seconds: f64,
}

/// What the measurements have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Requests of each measurement of balance.
    pub requests: u64,
    /// Connections of the load tester; measurements with a bound take [`steps::BOUNDED_CONNECTIONS_MIN`] at least.
    pub connections: u32,
    /// What the keys are drawn from.
    pub seed: u64,
}

impl Settings {
    /// The connections of measurements with a bound.
    pub fn bounded_connections(&self) -> u32 {
        self.connections.max(steps::BOUNDED_CONNECTIONS_MIN)
    }
}

impl Analysis {
    /// The measurement of one placement over so many servers, if it was made.
    pub fn counted(&self, variant: &Variant, servers: u32, bounded: bool) -> Option<&Counted> {
        self.counted.iter().find(|counted| {
            counted.variant.name == variant.name && counted.servers == servers && counted.bounded == bounded
        })
    }

    /// All measurements of a family's placements with, or without, a bound.
    pub fn of_family(&self, family: Family, bounded: bool) -> impl Iterator<Item = &Counted> {
        let belongs =
            move |counted: &&Counted| counted.variant.family == family && counted.bounded == bounded;
        self.counted.iter().filter(belongs)
    }
}

#[cfg(test)]
mod tests {
    use super::counts::tests::counted;
    use super::recovery::tests::recovered;
    use super::steps::SERVERS_COMPARED;
    use super::variant::VARIANTS;
    use super::{Analysis, Circumstances, Counted, Settings, Variant};

    /// An analysis of these counts alone.
    pub(super) fn with_counts(counted: Vec<Counted>) -> Analysis {
        let settings = Settings { requests: 10_000, connections: 64, seed: 1 };
        Analysis { circumstances: Circumstances::default(), settings, counted, recovered: Vec::new() }
    }

    /// A whole analysis as one could be measured: the given functions are lopsided, all others even; a bound holds.
    pub(super) fn analysis() -> Analysis {
        let of = |variant: &'static Variant| {
            SERVERS_COMPARED.into_iter().flat_map(move |servers| {
                [false, true].map(|bounded| counted(variant, bounded, &counts(variant, servers, bounded)))
            })
        };
        let recovered = vec![recovered(7, Some(620))];
        Analysis { recovered, ..with_counts(VARIANTS.iter().flat_map(of).collect()) }
    }

    fn counts(variant: &Variant, servers: u32, bounded: bool) -> Vec<u64> {
        let first = match (variant.is_given(), bounded) {
            (true, false) => 8_400,
            (true, true) => 12_000 / u64::from(servers),
            (false, _) => 10_000 / u64::from(servers),
        };
        let others = (10_000 - first) / u64::from(servers - 1);
        std::iter::once(first).chain(std::iter::repeat_n(others, servers as usize - 1)).collect()
    }
}
