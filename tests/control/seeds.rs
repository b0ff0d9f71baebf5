//! Many seeds, each of which decides a whole run.

use std::collections::BTreeMap;

use crate::plan::{Plan, Profile};
use crate::run::run;
use crate::shared::{self, variable};

/// Seeds that are run unless RINGWAY_SEEDS says otherwise.
const SEEDS: u64 = 2_000;

/// What a seed breaks; with the diary of a seed that is looked at alone.
fn broken(seed: u64) -> (Profile, Vec<String>) {
    let plan = Plan::of(seed);
    let (profile, mut report) = (plan.profile, run(plan, variable("RINGWAY_SEED").is_some()));
    if !report.violations.is_empty() {
        report.violations.push(report.diary);
    }
    (profile, report.violations)
}

fn part(number: u64) {
    shared::part("control", SEEDS, number, broken);
}

#[test]
fn no_seed_breaks_a_promise_first_part() {
    part(0);
}

#[test]
fn no_seed_breaks_a_promise_second_part() {
    part(1);
}

#[test]
fn no_seed_breaks_a_promise_third_part() {
    part(2);
}

#[test]
fn no_seed_breaks_a_promise_fourth_part() {
    part(3);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let seeds = variable("RINGWAY_SEED").map_or(0..64, |seed| seed..seed + 1);
    for seed in seeds {
        assert_eq!(run(Plan::of(seed), false), run(Plan::of(seed), false), "seed {seed}");
    }
}

#[test]
fn the_seeds_come_across_every_kind_of_failure() {
    let mut total = BTreeMap::<&str, u64>::new();
    for seed in 0..400 {
        for (name, count) in run(Plan::of(seed), false).reached {
            *total.entry(name).or_default() += count;
        }
    }
    let expected = [
        "exit",
        "spell",
        "observation",
        "full disk",
        "slow control thread",
        "edit",
        "crash",
        "crash while stopping",
        "crash with a call under way",
        "started, not recorded",
        "adopted by record",
        "adopted by nonce",
        "impossible start",
        "short-lived process",
        "deaf process",
        "start that took too long",
        "end of a silent one",
        "end of what is not wanted",
        "drain deadline",
        "kill after ask",
        "call made",
        "call waited for",
        "call not in time",
        "intent given back",
        "call refused",
        "call refused for storage",
        "call refused while stopping",
        "stopped in order",
    ];
    let missed: Vec<_> = expected.iter().filter(|name| !total.contains_key(*name)).collect();
    assert!(missed.is_empty(), "never: {missed:?} of {total:?}");
}
