//! Many seeds, each of which decides a whole run of the client on the simulated engine.

use std::collections::BTreeSet;

use crate::shared;
use crate::simulated::{Case, Kind, faults_of, run};

/// Seeds that are run unless RINGWAY_SEEDS says otherwise.
const SEEDS: u64 = 200;

fn broken(seed: u64) -> (Kind, Vec<String>) {
    let case = Case::of(seed);
    let faults = faults_of(&case, &run(&case));
    (case.kind, faults)
}

fn part(number: u64) {
    shared::part("load", SEEDS, number, broken);
}

#[test]
fn no_seed_loses_or_doubles_a_request_first_part() {
    part(0);
}

#[test]
fn no_seed_loses_or_doubles_a_request_second_part() {
    part(1);
}

#[test]
fn no_seed_loses_or_doubles_a_request_third_part() {
    part(2);
}

#[test]
fn no_seed_loses_or_doubles_a_request_fourth_part() {
    part(3);
}

#[test]
fn the_seeds_come_across_every_kind_of_end() {
    let (mut failures, mut interrupted, mut calm) = (BTreeSet::new(), 0, 0);
    for seed in 0..SEEDS {
        let case = Case::of(seed);
        let record = run(&case).record;
        failures.extend(record.failures.keys().map(|kind| kind.name()));
        interrupted += u64::from(record.unfinished > 0);
        calm += u64::from(case.kind == Kind::Calm && record.failed() == 0);
    }
    for kind in
        ["connect_refused", "connect_timed_out", "reset", "closed_before_answer", "closed_within_answer"]
            .into_iter()
            .chain(["timed_out", "malformed_answer", "never_sent"])
    {
        assert!(failures.contains(kind), "no {kind} among {failures:?}");
    }
    assert!(interrupted > 10 && calm > 20, "{interrupted} {calm}");
}
