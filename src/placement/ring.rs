//! A circle of entries, each of one replica, and the walk along it: what several algorithms are made of.

use std::slice;
use std::sync::Arc;

/// The circle: who owns each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    owners: Arc<[u16]>,
    /// For each entry the steps back to the one before it of the same owner, once around at most. An entry that is
    /// fewer steps away from a walk's start is the first of its owner on that walk, so a walk needs no memory of whom
    /// it met.
    gaps: Arc<[u32]>,
    /// How many replicas own an entry.
    owning: usize,
    /// Those that own none: names that differ may have the same points.
    without: Arc<[u16]>,
}

impl Ring {
    /// A ring of these owners, whose indices are below `replicas`. Costs two passes over the entries.
    pub(crate) fn new(owners: Vec<u16>, replicas: usize) -> Self {
        let entries = owners.len();
        let mut latest = vec![None; replicas];
        let mut gaps = vec![0; entries];
        for step in 0..2 * entries {
            let at = step % entries;
            let latest = &mut latest[usize::from(owners[at])];
            gaps[at] = latest.map_or(0, |latest| step - latest) as u32;
            *latest = Some(step);
        }
        let without: Arc<[u16]> =
            (0..).zip(&latest).filter(|(_, latest)| latest.is_none()).map(|(index, _)| index).collect();
        Ring { owners: owners.into(), gaps: gaps.into(), owning: replicas - without.len(), without }
    }

    /// Who owns an entry; `None` beyond the last, and so always in a ring without replicas.
    pub(crate) fn owner(&self, at: usize) -> Option<u16> {
        self.owners.get(at).copied()
    }

    /// Every replica once, as their entries follow each other from `at` on, around the circle; at the end those that
    /// own none.
    pub(crate) fn walk(&self, at: usize) -> Walk<'_> {
        Walk { ring: self, at, walked: 0, left: self.owning, without: self.without.iter() }
    }
}

/// Every replica once, as their entries follow each other around a ring. A step costs two loads; the last of n replicas
/// of equal weight is n ln n steps away on average.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    ring: &'a Ring,
    at: usize,
    walked: u32,
    left: usize,
    without: slice::Iter<'a, u16>,
}

impl Iterator for Walk<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        while self.left > 0 {
            let owner = self.ring.owner(self.at)?;
            let is_first = self.ring.gaps[self.at] > self.walked;
            self.walked += 1;
            self.at = if self.at + 1 == self.ring.owners.len() { 0 } else { self.at + 1 };
            if is_first {
                self.left -= 1;
                return Some(owner);
            }
        }
        self.without.next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_walk_passes_over_whom_it_has_met() {
        let ring = Ring::new(vec![0, 1, 0, 0, 2, 1], 3);
        let cases = [(0, [0, 1, 2]), (1, [1, 0, 2]), (2, [0, 2, 1]), (4, [2, 1, 0]), (5, [1, 0, 2])];
        for (at, order) in cases {
            assert_eq!(ring.walk(at).collect::<Vec<_>>(), order, "from {at}");
        }
    }

    #[test]
    fn who_owns_nothing_comes_last() {
        let ring = Ring::new(vec![3, 1, 3], 5);
        assert_eq!(ring.walk(1).collect::<Vec<_>>(), [1, 3, 0, 2, 4]);
    }

    #[test]
    fn the_ring_of_nobody_has_no_walk() {
        let ring = Ring::new(Vec::new(), 0);
        assert_eq!((ring.owner(0), ring.walk(0).next()), (None, None));
    }

    proptest! {
        #[test]
        fn a_walk_is_the_sequence_of_first_occurrences(extra in prop::collection::vec(0_u16..7, 0..60), at in 0_usize..67) {
            let owners: Vec<u16> = extra.into_iter().chain(0..7).collect();
            let at = at % owners.len();
            let mut expected = Vec::new();
            for owner in owners.iter().cycle().skip(at).take(owners.len()) {
                if !expected.contains(owner) {
                    expected.push(*owner);
                }
            }
            prop_assert_eq!(Ring::new(owners, 7).walk(at).collect::<Vec<_>>(), expected);
        }
    }
}
