//! Weighted rendezvous hashing over a fixed slot table.
//!
//! The whole rule, for whoever must agree with it:
//! 1. A key's slot is the top 12 bits of its hash.
//! 2. A replica's draw for a slot is XXH3-64 of its name with the slot's number as the seed; 0 counts as 1.
//! 3. Its cost is `-log2(draw / 2^64)` in fixed point, divided by its weight. The lowest cost comes first; equal costs
//!    are ordered by the higher draw, then by name.
//!
//! That is the usual `-weight / ln(u)` with its order turned round. `ln` of the C library differs by platform in its
//! last bit and could give two proxies two orders, so the logarithm here is computed bit by bit in integers, and costs
//! are compared by cross-multiplication instead of being divided.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::hash::KeyHash;

/// The number of slots; a power of two.
pub const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 12;
/// How many replicas a slot's list ranks; a ninth choice is found by [`Rendezvous::order`] without rank.
pub const PREFERENCE_MAX: usize = 8;
/// The most replicas of one table: an index fits 16 bits.
pub const REPLICAS_MAX: usize = u16::MAX as usize;

/// Bits behind the point of a cost: fine enough to tell apart the best of 2^40 weight units.
const COST_FRACTION_BITS: u32 = 48;

/// The compiled table: for each slot its best replicas in order. 64 KiB at most; immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// `SLOTS` rows of `width` replica indices.
    rows: Arc<[u16]>,
    width: usize,
    /// All indices in the order of their names, so that what lies beyond the rows has an order too.
    by_name: Arc<[u16]>,
}

impl Rendezvous {
    /// Compiles the table for replicas of the given names and weights; indices are positions in `replicas`. Who gets
    /// which slot depends on names and weights alone, not on their order.
    ///
    /// Names must differ and there may be [`REPLICAS_MAX`] of them at most (any beyond are left out). A weight of 0
    /// comes after all others. Measured: 0.15 ms for three replicas, 4 ms for 100, 15 ms for 1,024; where weights differ
    /// 1.4, 14 and 39 ms.
    pub fn build<N: AsRef<str>>(replicas: &[(N, u32)]) -> Self {
        let replicas = &replicas[..replicas.len().min(REPLICAS_MAX)];
        let width = replicas.len().min(PREFERENCE_MAX);
        let uniform = replicas.iter().all(|(_, weight)| *weight == replicas[0].1);
        let mut heaviest_first: Vec<_> =
            replicas.iter().zip(0..).map(|((name, weight), index)| (name.as_ref(), *weight, index)).collect();
        // What comes early is likely to stay, and the rest is left out sooner.
        heaviest_first.sort_by_key(|&(_, weight, _)| Reverse(weight));
        let mut rows = Vec::with_capacity(SLOTS * width);
        for slot in 0..SLOTS {
            let mut best = Best::new(width);
            for &(name, weight, index) in &heaviest_first {
                let draw = draw(slot, name);
                match uniform {
                    true => best.offer_unweighted(draw, name, index),
                    false => best.offer_weighted(draw, weight, name, index),
                }
            }
            rows.extend(best.indices());
        }
        let mut by_name: Vec<u16> = (0..).take(replicas.len()).collect();
        by_name.sort_by_key(|&index| replicas[usize::from(index)].0.as_ref());
        Rendezvous { rows: rows.into(), width, by_name: by_name.into() }
    }

    /// The slot of a key: below [`SLOTS`].
    pub const fn slot(hash: KeyHash) -> usize {
        (hash.as_u64() >> (u64::BITS - SLOT_BITS)) as usize
    }

    /// A hash that falls into a slot.
    pub const fn hash_in(slot: u64) -> KeyHash {
        KeyHash::from_u64(slot << (u64::BITS - SLOT_BITS))
    }

    /// The key's replicas in order of preference: all of them, or the best [`PREFERENCE_MAX`]; empty without replicas.
    /// One index computation and one slice; no lock.
    pub fn preference(&self, hash: KeyHash) -> &[u16] {
        let start = Self::slot(hash) * self.width;
        &self.rows[start..start + self.width]
    }

    /// Every replica once: the key's preference, then those beyond it, in the order of their names from a place that
    /// the slot decides. That tail is for the case in which the best eight are all down: it spreads their load, but
    /// makes no promise on who moves when replicas come and go.
    pub fn order(&self, hash: KeyHash) -> Ranked<'_> {
        Ranked { best: self.preference(hash), by_name: &self.by_name, slot: Self::slot(hash), taken: 0 }
    }
}

/// See [`Rendezvous::order`]. The tail is looked at only when the preference is used up, so that the first costs nothing.
#[derive(Clone, Debug)]
pub struct Ranked<'a> {
    best: &'a [u16],
    by_name: &'a [u16],
    slot: usize,
    taken: usize,
}

impl Iterator for Ranked<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let replicas = self.by_name.len();
        while self.taken < self.best.len() + replicas {
            let at = self.taken;
            self.taken += 1;
            match self.best.get(at) {
                Some(best) => return Some(*best),
                None => {
                    let index = self.by_name[(self.slot + at - self.best.len()) % replicas];
                    if !self.best.contains(&index) {
                        return Some(index);
                    }
                }
            }
        }
        None
    }
}

/// What one replica offers for one slot.
#[derive(Clone, Copy)]
struct Bid<'a> {
    draw: u64,
    cost: u64,
    weight: u32,
    name: &'a str,
    index: u16,
}

impl Bid<'_> {
    /// Less is better.
    fn compare(&self, other: &Bid<'_>) -> Ordering {
        let own = u128::from(self.cost) * u128::from(other.weight);
        let others = u128::from(other.cost) * u128::from(self.weight);
        own.cmp(&others).then_with(|| other.draw.cmp(&self.draw)).then_with(|| self.name.cmp(other.name))
    }

    /// Whether a bid of this draw and weight is worse, as far as a bound of its cost tells without computing it.
    fn certainly_beats(&self, draw: u64, weight: u32) -> bool {
        u128::from(cost_at_least(draw)) * u128::from(self.weight) > u128::from(self.cost) * u128::from(weight)
    }
}

/// A slot's best bids so far, in order, as many as its list ranks.
struct Best<'a> {
    bids: [Option<Bid<'a>>; PREFERENCE_MAX],
    width: usize,
}

impl<'a> Best<'a> {
    fn new(width: usize) -> Self {
        Best { bids: [None; PREFERENCE_MAX], width }
    }

    /// A replica among others of its own weight. The cost never rises as the draw grows, so that the draws alone give the
    /// order.
    fn offer_unweighted(&mut self, draw: u64, name: &'a str, index: u16) {
        if self.worst().is_none_or(|worst| draw >= worst.draw) {
            self.offer(Bid { draw, cost: 0, weight: 1, name, index });
        }
    }

    /// Most replicas of many are far from the best: of these no cost is computed, which takes ten times as long as the
    /// draw.
    fn offer_weighted(&mut self, draw: u64, weight: u32, name: &'a str, index: u16) {
        if self.worst().is_none_or(|worst| !worst.certainly_beats(draw, weight)) {
            self.offer(Bid { draw, cost: cost(draw), weight, name, index });
        }
    }

    fn offer(&mut self, bid: Bid<'a>) {
        let is_worse = |held: &Option<Bid<'_>>| held.is_none_or(|held| bid.compare(&held).is_lt());
        if let Some(rank) = self.bids[..self.width].iter().position(is_worse) {
            self.bids[rank..self.width].rotate_right(1);
            self.bids[rank] = Some(bid);
        }
    }

    /// The last of a list that is full.
    fn worst(&self) -> Option<&Bid<'a>> {
        self.bids[..self.width].last()?.as_ref()
    }

    fn indices(&self) -> impl Iterator<Item = u16> {
        self.bids[..self.width].iter().flatten().map(|bid| bid.index)
    }
}

/// What a replica of this name draws for a slot.
fn draw(slot: usize, name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), slot as u64).max(1)
}

/// `-log2(draw / 2^64)` with [`COST_FRACTION_BITS`] bits behind the point, for a draw of at least 1: the exponent by
/// counting zeros, and the mantissa's logarithm.
fn cost(draw: u64) -> u64 {
    let zeros = draw.leading_zeros();
    (u64::from(zeros + 1) << COST_FRACTION_BITS) - fraction(draw << zeros)
}

/// A bound that [`cost`] is not below, by a load: the cost of the largest draw that begins with the same bits.
fn cost_at_least(draw: u64) -> u64 {
    let zeros = draw.leading_zeros();
    let beginning = (draw << zeros) >> (u64::BITS - 1 - BEGINNING_BITS);
    let largest = LARGEST_FRACTIONS[beginning as usize % LARGEST_FRACTIONS.len()];
    (u64::from(zeros + 1) << COST_FRACTION_BITS) - largest
}

/// The logarithm of a mantissa whose highest bit is set, by squaring it and looking whether it passes 2, once for each
/// bit. It never falls as the mantissa grows: where two mantissas first differ in a bit of the logarithm, the larger one
/// has passed 2.
const fn fraction(mut mantissa: u64) -> u64 {
    let mut fraction = 0;
    let mut bit = 0;
    while bit < COST_FRACTION_BITS {
        let square = (mantissa as u128 * mantissa as u128) >> 63;
        let passes_two = square >> 64;
        mantissa = (square >> passes_two) as u64;
        fraction = fraction << 1 | passes_two as u64;
        bit += 1;
    }
    fraction
}

/// The bits behind the first by which mantissas are told apart to bound their logarithms.
const BEGINNING_BITS: u32 = 8;

/// For each beginning of a mantissa the logarithm of the largest that has it.
static LARGEST_FRACTIONS: [u64; 1 << BEGINNING_BITS] = {
    let mut fractions = [0; 1 << BEGINNING_BITS];
    let mut beginning = 0;
    while beginning < fractions.len() {
        let next = (fractions.len() + beginning + 1) as u128;
        fractions[beginning] = fraction(((next << (u64::BITS - 1 - BEGINNING_BITS)) - 1) as u64);
        beginning += 1;
    }
    fractions
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    type Names = Vec<(String, u32)>;

    fn slot_hash(slot: usize) -> KeyHash {
        KeyHash::from_u64((slot as u64) << (u64::BITS - SLOT_BITS))
    }

    /// Each slot's list by name.
    fn lists(replicas: &Names) -> Vec<Vec<&str>> {
        let table = Rendezvous::build(replicas);
        let named = |index: &u16| replicas[usize::from(*index)].0.as_str();
        (0..SLOTS).map(|slot| table.preference(slot_hash(slot)).iter().map(named).collect()).collect()
    }

    fn replicas(count: std::ops::Range<usize>) -> impl Strategy<Value = Names> {
        let weight = prop_oneof![Just(1_u32), 1_u32..=20];
        btree_map("[a-z0-9.:-]{1,20}", weight, count).prop_map(|names| names.into_iter().collect())
    }

    fn weighted_replicas(count: std::ops::Range<usize>) -> impl Strategy<Value = Names> {
        let weight = prop_oneof![0_u32..=3, Just(1_000_000), any::<u32>()];
        btree_map("[a-z0-9.:-]{1,20}", weight, count).prop_map(|names| names.into_iter().collect())
    }

    /// A slot's order by the exact costs of all.
    fn by_cost(replicas: &Names, slot: usize) -> Vec<&str> {
        let mut bids: Vec<_> = replicas
            .iter()
            .map(|(name, weight)| {
                let draw = draw(slot, name);
                Bid { draw, cost: cost(draw), weight: *weight, name, index: 0 }
            })
            .collect();
        bids.sort_by(Bid::compare);
        bids.iter().map(|bid| bid.name).collect()
    }

    /// Figures for another implementation to be held to; they were computed from the rule above by one in Python, with
    /// the reference hash (xxHash 0.8.4) and the platform's floating-point logarithm.
    #[test]
    fn the_table_is_specified() {
        let names: Names = [("a", 1), ("b", 1), ("c", 2)].map(|(name, weight)| (name.into(), weight)).into();
        let lists = lists(&names);
        assert_eq!(xxh3_64_with_seed(b"a", 4095), 0xeb0b_b342_3771_f0e5);
        assert_eq!(lists[0], ["a", "c", "b"]);
        assert_eq!(Rendezvous::slot(KeyHash::of(b"/home")), 1651);
        assert_eq!(lists[1651], ["a", "c", "b"]);
        assert_eq!(lists[4095], ["b", "a", "c"]);
        let firsts = ["a", "b", "c"].map(|name| lists.iter().filter(|list| list[0] == name).count());
        assert_eq!(firsts, [1025, 1066, 2005]);
    }

    #[test]
    fn a_slot_is_the_top_of_the_hash() {
        for (hash, slot) in [(0, 0), (u64::MAX, SLOTS - 1), (1 << 52, 1), ((1 << 52) - 1, 0)] {
            assert_eq!(Rendezvous::slot(KeyHash::from_u64(hash)), slot, "{hash:x}");
        }
    }

    #[test]
    fn without_replicas_every_list_is_empty() {
        let table = Rendezvous::build::<&str>(&[]);
        assert!(table.preference(KeyHash::of(b"key")).is_empty());
        assert_eq!(table.order(KeyHash::of(b"key")).count(), 0);
    }

    #[test]
    fn the_cost_is_the_logarithm() {
        let unit = (1_u64 << COST_FRACTION_BITS) as f64;
        assert_eq!(cost(1), 64 << COST_FRACTION_BITS);
        assert_eq!(cost(1 << 63), 1 << COST_FRACTION_BITS);
        for draw in [3, 0xffff, 1 << 40, u64::MAX / 3, u64::MAX / 10 * 9, u64::MAX - (1 << 40)] {
            let exact = 64.0 - (draw as f64).log2();
            assert!((cost(draw) as f64 / unit - exact).abs() < 1e-9, "{draw}");
        }
        assert!(cost(u64::MAX) >= 1);
        assert!(cost_at_least(u64::MAX) >= 1);
    }

    #[test]
    fn more_replicas_than_a_list_ranks_are_all_reached_once() {
        let names: Names = (0..20).map(|number| (format!("replica-{number}"), 1)).collect();
        let table = Rendezvous::build(&names);
        for slot in [0, 1, 7, 4095] {
            let order: Vec<u16> = table.order(slot_hash(slot)).collect();
            assert_eq!(order[..PREFERENCE_MAX], *table.preference(slot_hash(slot)));
            let mut all = order.clone();
            all.sort_unstable();
            assert_eq!(all, (0..20).collect::<Vec<u16>>(), "slot {slot}");
        }
    }

    #[test]
    fn the_tail_of_a_dead_preference_is_spread() {
        let names: Names = (0..20).map(|number| (format!("replica-{number}"), 1)).collect();
        let table = Rendezvous::build(&names);
        let ninths: std::collections::BTreeSet<_> =
            (0..SLOTS).filter_map(|slot| table.order(slot_hash(slot)).nth(PREFERENCE_MAX)).collect();
        assert_eq!(ninths.len(), names.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_higher_draw_never_costs_more(first in 1_u64.., second in 1_u64..) {
            let (low, high) = (first.min(second), first.max(second));
            prop_assert!(cost(high) <= cost(low));
        }

        #[test]
        fn the_order_of_the_names_does_not_matter(
            (sorted, shuffled) in replicas(0..12).prop_flat_map(|names| (Just(names.clone()), Just(names).prop_shuffle()))
        ) {
            prop_assert_eq!(lists(&sorted), lists(&shuffled));
        }

        #[test]
        fn a_list_names_each_replica_once(names in replicas(1..12)) {
            for list in lists(&names) {
                let distinct: std::collections::BTreeSet<_> = list.iter().collect();
                prop_assert_eq!(distinct.len(), names.len().min(PREFERENCE_MAX));
            }
        }

        #[test]
        fn equal_weights_give_the_lists_of_no_weights(names in replicas(1..6), weight in 2_u32..100) {
            let uniform: Names = names.iter().map(|(name, _)| (name.clone(), weight)).collect();
            let lists = lists(&uniform);
            for slot in (0..SLOTS).step_by(16) {
                prop_assert_eq!(&lists[slot], &by_cost(&uniform, slot));
            }
        }

        /// What is left out because of a bound alone would have come behind.
        #[test]
        fn a_list_is_the_beginning_of_all_bids_in_order_of_their_costs(names in weighted_replicas(9..40)) {
            let lists = lists(&names);
            for slot in (0..SLOTS).step_by(16) {
                prop_assert_eq!(&lists[slot][..], &by_cost(&names, slot)[..PREFERENCE_MAX]);
            }
        }

        #[test]
        fn a_bound_is_close_below_the_cost(mantissa in 1_u64 << 63.., zeros in 0_u32..64) {
            let draw = mantissa >> zeros;
            let (bound, cost) = (cost_at_least(draw), cost(draw));
            prop_assert!((1..=cost).contains(&bound), "{bound} for {cost} of {draw}");
            prop_assert!(cost - bound <= 1 << (COST_FRACTION_BITS - BEGINNING_BITS + 1), "{bound} for {cost} of {draw}");
        }

        /// First places are drawn 4,096 times independently: six standard deviations of that are allowed.
        #[test]
        fn a_replica_gets_its_weight_of_the_slots(names in replicas(2..10)) {
            let total: u32 = names.iter().map(|(_, weight)| weight).sum();
            let lists = lists(&names);
            for (name, weight) in &names {
                let share = f64::from(*weight) / f64::from(total);
                let deviation = (share * (1.0 - share) * SLOTS as f64).sqrt();
                let slots = lists.iter().filter(|list| list[0] == name.as_str()).count() as f64;
                let difference = (slots - share * SLOTS as f64).abs();
                prop_assert!(difference <= 6.0 * deviation, "{name}: {slots} slots for a share of {share}");
            }
        }

        #[test]
        fn without_one_replica_the_rest_keep_their_order(
            (names, gone) in replicas(2..14).prop_flat_map(|names| { let count = names.len(); (Just(names), 0..count) })
        ) {
            let mut fewer = names.clone();
            let (gone, _) = fewer.remove(gone);
            for (with, without) in lists(&names).into_iter().zip(lists(&fewer)) {
                let kept: Vec<_> = with.iter().copied().filter(|name| *name != gone).collect();
                prop_assert_eq!(&without[..kept.len()], &kept[..]);
                if with[0] != gone {
                    prop_assert_eq!(with[0], without[0]);
                }
            }
        }

        #[test]
        fn a_new_replica_takes_slots_and_no_other_gains(
            names in replicas(1..14), added in "[A-Z]{1,8}", weight in 1_u32..=20
        ) {
            let mut more = names.clone();
            more.push((added.clone(), weight));
            for (before, after) in lists(&names).into_iter().zip(lists(&more)) {
                prop_assert!(after[0] == before[0] || after[0] == added);
                let kept: Vec<_> = after.iter().copied().filter(|name| *name != added).collect();
                prop_assert_eq!(&before[..kept.len()], &kept[..]);
            }
        }
    }
}
