//! The ledger finds what is planted: each fault is named, and the same runs without one are clean.

use crate::plan::Plan;
use crate::run::run;
use crate::saboteur::Plant;

/// Calm runs, in which nothing else goes wrong.
const CALM_SEEDS: [u64; 6] = [7, 15, 23, 31, 39, 47];

fn violations(plant: Option<Plant>) -> Vec<String> {
    CALM_SEEDS.iter().flat_map(|&seed| run(Plan { plant, ..Plan::of(seed) }).violations).collect()
}

#[test]
fn every_planted_fault_is_found() {
    let table = [
        (Plant::DuplicatePost, "reached backends 2 times"),
        (Plant::MixBodies, "another body"),
        (Plant::DropAnswerByte, "another body"),
        (Plant::AlterRequestByte, "another request body"),
        (Plant::Smuggle, "which no client sent"),
        (Plant::Swallow, "TimedOut where the answer's head was expected"),
        (Plant::SwapAnswers, "it got the answer to"),
        (Plant::Leak, "sockets are open at the end"),
    ];
    for (plant, expected) in table {
        let found = violations(Some(plant));
        assert!(found.iter().any(|line| line.contains(expected)), "{plant:?} is not found: {found:#?}");
    }
}

#[test]
fn nothing_is_found_where_nothing_is_planted() {
    assert_eq!(violations(None), Vec::<String>::new());
}
