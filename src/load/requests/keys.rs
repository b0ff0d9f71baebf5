//! Which key each request has.

use std::convert::Infallible;
use std::num::NonZeroU64;
use std::str::FromStr;

use rand::TryRng;
use rand_distr::{Distribution as _, Zipf};
use thiserror::Error;

use super::draws::Draws;
use crate::base::random::Random;

/// The most distinct keys: 10^12. A double still tells each of them from its neighbours when Zipf's law is drawn.
pub const KEYS_MAX: u64 = 1_000_000_000_000;
/// The largest number of a first key: 10^18, so that the last one's number is in range too.
pub const FIRST_KEY_MAX: u64 = 1_000_000_000_000_000_000;
/// The largest exponent of Zipf's law. At 10 of a thousand requests 999 have the first key.
pub const EXPONENT_MAX: f64 = 10.0;
/// An exponent so near to one is one: the general formula divides by the difference, and would lose its digits.
const EXPONENT_NEAR_ONE: f64 = 1e-6;

/// The keys that requests have: numbers one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keys {
    /// How many there are; at most [`KEYS_MAX`], and as many as that count if there should be more.
    pub count: NonZeroU64,
    /// The first one's number; at most [`FIRST_KEY_MAX`].
    pub first: u64,
    /// How often each is asked for.
    pub distribution: Distribution,
}

/// How often each key is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Distribution {
    /// All as often, at random.
    #[default]
    Uniform,
    /// By Zipf's law, at random: the key at place r (the first key is at place 1) r^exponent times less often than the
    /// first.
    Zipf(Exponent),
    /// One after the other, and then again from the first.
    Sequential,
}

/// The exponent of Zipf's law, from 0 (all keys alike) to [`EXPONENT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponent(f64);

/// A text is no [`Distribution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DistributionError {
    /// No such name.
    #[error("write uniform, zipf, zipf:EXPONENT or sequential")]
    Unknown,
    /// The exponent is no number in range.
    #[error("write an exponent from 0 to {EXPONENT_MAX}, such as zipf:0.8")]
    Exponent,
}

impl Default for Exponent {
    /// The law as Zipf found it: the second key half as often as the first.
    fn default() -> Self {
        Exponent(1.0)
    }
}

impl FromStr for Distribution {
    type Err = DistributionError;

    fn from_str(written: &str) -> Result<Self, DistributionError> {
        match written.split_once(':').map_or((written, None), |(name, rest)| (name, Some(rest))) {
            ("uniform", None) => Ok(Distribution::Uniform),
            ("sequential", None) => Ok(Distribution::Sequential),
            ("zipf", None) => Ok(Distribution::Zipf(Exponent::default())),
            ("zipf", Some(exponent)) => {
                let exponent = exponent.parse().map_err(|_| DistributionError::Exponent)?;
                if !(0.0..=EXPONENT_MAX).contains(&exponent) {
                    return Err(DistributionError::Exponent);
                }
                let is_one = (exponent - 1.0).abs() < EXPONENT_NEAR_ONE;
                Ok(Distribution::Zipf(Exponent(if is_one { 1.0 } else { exponent })))
            }
            _ => Err(DistributionError::Unknown),
        }
    }
}

/// Chooses for each request the place of its key: a number below `count`, the most frequent first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    count: u64,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Uniform(Draws),
    /// By rejection, at a cost that does not grow with the number of keys and without a table of them.
    Zipf(Draws, Zipf<f64>),
    Sequential,
}

impl Places {
    pub(super) fn new(count: NonZeroU64, distribution: Distribution, seed: u64) -> Self {
        let count = count.get().min(KEYS_MAX);
        let draws = Draws::of_keys(seed);
        let how = match distribution {
            Distribution::Uniform => How::Uniform(draws),
            Distribution::Sequential => How::Sequential,
            // Refused are only a count below one and an exponent below zero.
            Distribution::Zipf(Exponent(exponent)) => {
                Zipf::new(count as f64, exponent).map_or(How::Uniform(draws), |law| How::Zipf(draws, law))
            }
        };
        Places { count, how }
    }

    /// The only place there is.
    pub(super) fn one() -> Self {
        Places { count: 1, how: How::Sequential }
    }

    #[inline]
    pub(super) fn of(&self, index: u64) -> u64 {
        match &self.how {
            How::Uniform(draws) => draws.at(index).below(self.count),
            How::Zipf(draws, law) => {
                // Of 1 to count, but for the rounding of the law's inverse.
                let place = law.sample(&mut Generator(draws.at(index))) as u64;
                place.clamp(1, self.count) - 1
            }
            How::Sequential => index % self.count,
        }
    }
}

/// The house's generator as the crate of distributions wants it.
struct Generator(Random);

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DRAWS: u64 = 200_000;

    fn places(count: u64, distribution: &str, seed: u64) -> Places {
        Places::new(NonZeroU64::new(count).unwrap(), distribution.parse().unwrap(), seed)
    }

    fn frequencies(places: &Places, draws: u64) -> Vec<u64> {
        let mut frequencies = vec![0; usize::try_from(places.count).unwrap()];
        (0..draws).for_each(|index| frequencies[places.of(index) as usize] += 1);
        frequencies
    }

    /// Within five standard deviations of a binomial distribution: a seed in two million would fail, and seeds are fixed.
    fn is_near(frequency: u64, probability: f64) -> bool {
        let mean = DRAWS as f64 * probability;
        (frequency as f64 - mean).abs() <= 5.0 * (mean * (1.0 - probability)).sqrt()
    }

    #[test]
    fn zipf_draws_follow_the_law() {
        for (count, exponent) in
            [(1_000u64, 0.5), (1_000, 0.99), (1_000, 1.0), (100_000, 1.0), (50, 2.0), (3, 10.0), (10, 0.0)]
        {
            let frequencies = frequencies(&places(count, &format!("zipf:{exponent}"), 1), DRAWS);
            let weight = |place: u64| (place as f64).powf(-exponent);
            let total: f64 = (1..=count).map(weight).sum();
            for (&frequency, place) in frequencies.iter().zip(1..=10.min(count)) {
                assert!(
                    is_near(frequency, weight(place) / total),
                    "{count} {exponent}: place {place} {frequency} times"
                );
            }
            let tail: u64 = frequencies[frequencies.len() / 2..].iter().sum();
            let expected: f64 = (count / 2 + 1..=count).map(weight).sum::<f64>() / total;
            assert!(is_near(tail, expected), "{count} {exponent}: the second half {tail} times");
        }
    }

    #[test]
    fn uniform_draws_are_alike() {
        let frequencies = frequencies(&places(20, "uniform", 3), DRAWS);
        assert!(frequencies.iter().all(|&frequency| is_near(frequency, 0.05)), "{frequencies:?}");
    }

    #[test]
    fn in_sequence_each_key_has_its_turn() {
        assert_eq!(frequencies(&places(1_000, "sequential", 1), 1_000), vec![1; 1_000]);
        assert_eq!(places(3, "sequential", 1).of(u64::MAX), u64::MAX % 3);
    }

    #[test]
    fn distributions_are_read_as_they_are_called() {
        for (written, expected) in [
            ("uniform", Ok(Distribution::Uniform)),
            ("sequential", Ok(Distribution::Sequential)),
            ("zipf", Ok(Distribution::Zipf(Exponent(1.0)))),
            ("zipf:0.8", Ok(Distribution::Zipf(Exponent(0.8)))),
            ("zipf:1.0000000001", Ok(Distribution::Zipf(Exponent(1.0)))),
            ("zipf:0", Ok(Distribution::Zipf(Exponent(0.0)))),
            ("zipf:10.1", Err(DistributionError::Exponent)),
            ("zipf:-1", Err(DistributionError::Exponent)),
            ("zipf:NaN", Err(DistributionError::Exponent)),
            ("zipf:inf", Err(DistributionError::Exponent)),
            ("zipf:", Err(DistributionError::Exponent)),
            ("uniform:1", Err(DistributionError::Unknown)),
            ("Zipf", Err(DistributionError::Unknown)),
            ("", Err(DistributionError::Unknown)),
        ] {
            assert_eq!(written.parse(), expected, "{written}");
        }
    }

    proptest! {
        #[test]
        fn every_place_is_in_range_and_the_same_each_time(
            count in prop_oneof![1..=10u64, 1..=KEYS_MAX],
            exponent in prop_oneof![Just(0.0), Just(1.0), Just(1.000_002), Just(0.999_998), 0.0..=EXPONENT_MAX],
            seed: u64,
            index: u64,
        ) {
            for distribution in ["uniform", "sequential", &format!("zipf:{exponent}")] {
                let place = places(count, distribution, seed).of(index);
                prop_assert!(place < count, "{distribution}");
                prop_assert_eq!(place, places(count, distribution, seed).of(index));
            }
        }
    }
}
