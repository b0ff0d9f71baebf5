//! Many seeds, each of which decides a whole run; for every suite that simulates.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Tests over which the seeds are spread, so that they run on several cores.
const PARTS: u64 = 4;
/// Seeds that a failure tells of.
const REPORTED_MAX: usize = 3;

/// The number in an environment variable.
pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs every [`PARTS`]th seed of `RINGWAY_SEEDS` (else `default`), or the one of `RINGWAY_SEED`, and fails with the first
/// that break something. `run` says what that is, line by line, and of which kind the run was; `suite` is the test to
/// replay it with.
pub(crate) fn part<Kind: Debug>(
    suite: &str,
    default: u64,
    number: u64,
    run: impl Fn(u64) -> (Kind, Vec<String>),
) {
    let seeds = match variable("RINGWAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("RINGWAY_SEEDS").unwrap_or(default),
    };
    let broken: Vec<String> = seeds
        .filter(|seed| seed % PARTS == number)
        .filter_map(|seed| check(suite, seed, &run))
        .take(REPORTED_MAX)
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Runs one seed and says what it breaks, with the command that shows it again.
fn check<Kind: Debug>(suite: &str, seed: u64, run: &impl Fn(u64) -> (Kind, Vec<String>)) -> Option<String> {
    let broken = match catch_unwind(AssertUnwindSafe(|| run(seed))) {
        Ok((_, broken)) if broken.is_empty() => return None,
        Ok((kind, broken)) => format!("{kind:?}:\n  {}", broken.join("\n  ")),
        Err(_) => "it panicked, see above".to_owned(),
    };
    Some(format!(
        "seed {seed}: {broken}\n  replay with: RINGWAY_SEED={seed} cargo test --test {suite} seeds -- --nocapture"
    ))
}
