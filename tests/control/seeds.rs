//! Many seeds, each of which decides a whole run.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::plan::Plan;
use crate::run::run;

/// Seeds that are run unless RINGWAY_SEEDS says otherwise.
const SEEDS: u64 = 2_000;
/// Tests over which they are spread, so that they run on several cores.
const PARTS: u64 = 4;
/// Seeds that a failure tells of.
const REPORTED_MAX: usize = 3;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs one seed and says what it breaks, with the command that shows it again.
fn check(seed: u64) -> Option<String> {
    let plan = Plan::of(seed);
    let profile = plan.profile;
    let with_diary = variable("RINGWAY_SEED").is_some();
    let broken = match catch_unwind(AssertUnwindSafe(|| run(plan, with_diary))) {
        Ok(report) if report.violations.is_empty() => return None,
        Ok(report) => format!("{}\n{}", report.violations.join("\n  "), report.diary),
        Err(_) => "it panicked, see above".to_string(),
    };
    Some(format!(
        "seed {seed} ({profile:?}):\n  {broken}\n  replay with: \
         RINGWAY_SEED={seed} cargo test --test control seeds -- --nocapture"
    ))
}

/// Runs every [`PARTS`]th seed and fails with the first that break something.
fn part(number: u64) {
    let seeds = match variable("RINGWAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("RINGWAY_SEEDS").unwrap_or(SEEDS),
    };
    let broken: Vec<String> =
        seeds.filter(|seed| seed % PARTS == number).filter_map(check).take(REPORTED_MAX).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
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
