//! Chance by number: what is drawn for a request depends on the seed and on its number, not on what was drawn before.

use crate::base::random::{Random, mix};

/// Streams of chance, one for each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    /// Those that decide on keys.
    pub(super) const fn of_keys(seed: u64) -> Self {
        Draws::of(seed, 0x6B65_7973)
    }

    /// Those that decide which requests are writes; independent of the keys', so that reads and writes ask for the same.
    pub(super) const fn of_writes(seed: u64) -> Self {
        Draws::of(seed, 0x7772_6974_6573)
    }

    /// Mixed in between, so that no two seeds are each other's streams for another purpose.
    const fn of(seed: u64, purpose: u64) -> Self {
        Draws(mix(mix(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)) ^ purpose))
    }

    /// The stream of request number `index`. The mixing puts the streams of neighbours far apart.
    pub(super) const fn at(self, index: u64) -> Random {
        Random::new(mix(self.0.wrapping_add(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_number() {
        let mut first: Vec<u64> = (0..100)
            .flat_map(|seed| [Draws::of_keys(seed), Draws::of_writes(seed)])
            .flat_map(|draws| (0..100).map(move |index| draws.at(index).next()))
            .collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 100 * 2 * 100);
    }
}
