//! System B's map: replicas dealt out to shards like cards, a key's shard by a remainder.
//!
//! The whole rule, for whoever must agree with it:
//! 1. There are `max(1, n / factor)` shards for n replicas; the replica at rank r in the order of the names' bytes
//!    (from 0) belongs to the shard r modulo the number of shards.
//! 2. A key's shard is its hash modulo the number of shards, the hash being the sum of the key's bytes.
//! 3. A key tries the replicas of its shard by rank, then those of the next shard, and so on around.

use std::sync::Arc;

use super::hash::KeyHash;
use crate::base::algorithm::ModuloRule;

/// The compiled map; immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modulo {
    by_name: Arc<[u16]>,
    shards: u64,
}

impl Modulo {
    /// Compiles the map for replicas of the given names; indices are positions in `names`. Costs a sort. A factor of 0
    /// counts as 1.
    pub fn build<N: AsRef<str>>(names: &[N], rule: ModuloRule) -> Self {
        let mut by_name: Vec<u16> = (0..).take(names.len()).collect();
        by_name.sort_by_key(|&index| names[usize::from(index)].as_ref());
        let shards = names.len() / (rule.factor as usize).max(1);
        Modulo { by_name: by_name.into(), shards: shards.max(1) as u64 }
    }

    /// How many shards there are; one at least.
    pub const fn shards(&self) -> u64 {
        self.shards
    }

    /// The shard of a key: below [`Modulo::shards`].
    pub const fn shard(&self, hash: KeyHash) -> usize {
        // Sums of bytes fit 32 bits, and a division of 32 bits costs half of one of 64 on many processors.
        match hash.as_u64() {
            sum if sum <= u32::MAX as u64 => (sum as u32 % self.shards as u32) as usize,
            sum => (sum % self.shards) as usize,
        }
    }

    /// The first replica of the key's shard; `None` without replicas. One division and one load.
    pub fn first(&self, hash: KeyHash) -> Option<u16> {
        self.by_name.get(self.shard(hash)).copied()
    }

    /// Every replica once: the key's shard, then the others.
    pub fn order(&self, hash: KeyHash) -> ByShard<'_> {
        let shard = self.shard(hash);
        ByShard { map: self, shard, rank: shard, left: self.by_name.len() }
    }
}

/// See [`Modulo::order`].
#[derive(Clone, Debug)]
pub struct ByShard<'a> {
    map: &'a Modulo,
    shard: usize,
    rank: usize,
    left: usize,
}

impl Iterator for ByShard<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let shards = self.map.shards as usize;
        if self.rank >= self.map.by_name.len() {
            self.shard = if self.shard + 1 == shards { 0 } else { self.shard + 1 };
            self.rank = self.shard;
        }
        let index = self.map.by_name[self.rank];
        self.rank += shards;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::KeyHasher;

    #[test]
    fn shards_are_dealt_by_name_and_tried_around() {
        let names = ["e", "a", "c", "b", "d"];
        let map = Modulo::build(&names, ModuloRule { factor: 2 });
        assert_eq!(map.shards(), 2);
        let order = |key: &[u8]| {
            let hash = KeyHasher::ByteSum.hash(key);
            map.order(hash).map(|index| names[usize::from(index)]).collect::<String>()
        };
        // 'b' is 98, 'a' is 97.
        assert_eq!(
            [order(b"b"), order(b"a"), order(b"ab"), order(b"")],
            ["acebd", "bdace", "bdace", "acebd"]
        );
    }

    #[test]
    fn there_is_one_shard_at_least_and_one_for_each_replica_at_most() {
        let cases = [(1, 1, 1), (1, 2, 1), (3, 2, 1), (4, 2, 2), (7, 2, 3), (7, 1, 7), (7, 0, 7), (0, 2, 1)];
        for (replicas, factor, shards) in cases {
            let names: Vec<_> = (0..replicas).map(|number| number.to_string()).collect();
            assert_eq!(
                Modulo::build(&names, ModuloRule { factor }).shards(),
                shards,
                "{replicas} by {factor}"
            );
        }
    }

    #[test]
    fn every_shard_has_the_factor_of_replicas_or_one_more_where_it_divides_that_far() {
        let names: Vec<_> = (0..11).map(|number| format!("{number:02}")).collect();
        let map = Modulo::build(&names, ModuloRule { factor: 2 });
        let sizes: Vec<_> = (0..5).map(|shard| (shard..names.len()).step_by(5).count()).collect();
        assert_eq!(sizes, [3, 2, 2, 2, 2]);
        for sum in [0, 4, 5, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX] {
            assert_eq!(map.shard(KeyHash::from_u64(sum)) as u64, sum % 5, "{sum}");
        }
    }

    #[test]
    fn without_replicas_there_is_nobody() {
        let map = Modulo::build::<&str>(&[], ModuloRule::default());
        assert_eq!((map.first(KeyHash::from_u64(7)), map.order(KeyHash::from_u64(7)).next()), (None, None));
    }
}
