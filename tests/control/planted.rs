//! The world finds what is planted: each fault is named, and the same runs without one are clean.

use crate::plan::Plan;
use crate::run::run;
use crate::saboteur::Plant;

/// Runs in which everything goes wrong: a fault shows only where something makes it matter.
const SEEDS: u64 = 160;

fn find(plant: Option<Plant>, expected: &str) -> Result<(), Vec<String>> {
    let mut all = Vec::new();
    for seed in 0..SEEDS {
        let found = run(Plan { plant, ..Plan::of(seed) }, false).violations;
        if found.iter().any(|line| line.contains(expected)) {
            return Ok(());
        }
        all.extend(found);
    }
    all.truncate(10);
    Err(all)
}

#[test]
fn every_planted_fault_is_found() {
    let table = [
        (Plant::EarlyPersisted, "its intent is not on the disk"),
        (Plant::NoIntents, "its intent is not on the disk"),
        (Plant::StaleMembers, "is acknowledged, but"),
        (Plant::OldFile, "is when Ringway begins again"),
        (Plant::DoubleStart, "two living processes"),
        (Plant::BlindAdoption, "two living processes"),
        (Plant::StuckPublication, "still routed"),
        (Plant::WrongAddress, "published, and not known to serve"),
        (Plant::EarlyIdle, "is ended while exchanges are on it"),
        (Plant::DoubleAnswer, "nothing was asked"),
        (Plant::NoAnswer, "calls are not answered"),
        (Plant::HiddenAnswers, "a member: misses 0"),
        (Plant::HiddenLag, "a member: misses"),
        (Plant::RandomKill, "a member: misses 0"),
        (Plant::KillInsteadOfAsk, "killed without having been asked"),
        (Plant::NoEnd, "a stray"),
        (Plant::NoEnded, "has had no process"),
        (Plant::NoHealth, "not settled: web: up false"),
        (Plant::BusyHeartbeats, "actions within a second"),
    ];
    for (plant, expected) in table {
        if let Err(found) = find(Some(plant), expected) {
            panic!("{plant:?} is not found: {found:#?}");
        }
    }
}
