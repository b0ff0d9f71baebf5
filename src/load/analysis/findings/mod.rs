//! What the figures say, in sentences: each is chosen by the figures, and says nothing that they do not.

mod balance;
mod bounded;
mod recovery;

pub use balance::{balance, spread};
pub use bounded::bounded;
pub use recovery::recovery;

use super::Analysis;
use super::counts::Counted;

/// Chance explains a standard deviation of up to so many times that of keys at random: with two servers it is exceeded
/// once in 370 times, with more of them more seldom.
pub const CHANCE: f64 = 3.0;

/// Whether chance explains how far these counts are from even.
pub fn is_chance(counted: &Counted) -> bool {
    counted.balance.over_random().is_none_or(|ratio| ratio <= CHANCE)
}

/// What would make the figures doubtful: requests without an answer, or with one from elsewhere than planned.
pub fn doubts(analysis: &Analysis) -> Vec<String> {
    let sum = |count: fn(&Counted) -> u64| analysis.counted.iter().map(count).sum::<u64>();
    let (unserved, retries) = (sum(|counted| counted.unserved), sum(|counted| counted.retries));
    let mut doubts = Vec::new();
    if unserved > 0 {
        doubts.push(format!(
            "{unserved} requests of all measurements of balance got no answer, or one of 4xx or 5xx, so that the counts of \
             those measurements are short of them."
        ));
    }
    if retries > 0 {
        doubts.push(format!(
            "{retries} requests of all measurements of balance were tried again, perhaps on another server than their key \
             says, so that another run may count a little differently."
        ));
    }
    doubts
}

/// Names as they stand in a sentence: `a`, `b` and `c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [name] => name.clone(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

/// A figure with as many digits as matter.
pub fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        let names = ["a", "b", "c"].map(str::to_owned);
        for (count, expected) in [(0, "none"), (1, "a"), (2, "a and b"), (3, "a, b and c")] {
            assert_eq!(listed(&names[..count]), expected);
        }
    }

    #[test]
    fn figures_have_three_digits() {
        for (value, expected) in [(3_333.3, "3333"), (47.14, "47.1"), (2.526, "2.53"), (0.0, "0.00")] {
            assert_eq!(figure(value), expected);
        }
    }
}
