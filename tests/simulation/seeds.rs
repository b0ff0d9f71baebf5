//! Many seeds, each of which decides a whole run.

use crate::plan::{Plan, Profile};
use crate::run::{Reached, run};
use crate::shared::{self, variable};

/// Seeds that are run unless RINGWAY_SEEDS says otherwise.
const SEEDS: u64 = 1_200;

/// What a seed breaks.
fn broken(seed: u64) -> (Profile, Vec<String>) {
    let plan = Plan::of(seed);
    (plan.profile, run(plan).violations)
}

fn part(number: u64) {
    shared::part("simulation", SEEDS, number, broken);
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
        let (one, other) = (run(Plan::of(seed)), run(Plan::of(seed)));
        assert_eq!(one.outcomes, other.outcomes, "the outcomes of seed {seed}");
        assert_eq!((one.digest, one.ended), (other.digest, other.ended), "the events of seed {seed}");
    }
}

#[test]
fn the_seeds_come_across_every_kind_of_failure() {
    let mut total = Reached::new();
    for seed in 0..400 {
        for (name, count) in run(Plan::of(seed)).reached {
            *total.entry(name).or_default() += count;
        }
    }
    let missed: Vec<_> = total.iter().filter(|(_, count)| **count == 0).collect();
    assert!(missed.is_empty(), "never: {missed:?} of {total:?}");
}
