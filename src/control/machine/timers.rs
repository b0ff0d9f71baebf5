//! When each replica wants to be looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::time::Moment;

/// Where a replica is kept: the place of its service, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) service: usize,
    pub(super) replica: u64,
}

/// One deadline for each replica that has any.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_place: BTreeMap<Place, Moment>,
    in_order: BTreeSet<(Moment, Place)>,
}

impl Timers {
    /// Sets a replica's only deadline; [`Moment::NEVER`] removes it.
    pub(super) fn set(&mut self, place: Place, at: Moment) {
        let old = if at == Moment::NEVER {
            self.by_place.remove(&place)
        } else {
            self.in_order.insert((at, place));
            self.by_place.insert(place, at)
        };
        if let Some(old) = old.filter(|&old| old != at) {
            self.in_order.remove(&(old, place));
        }
    }

    /// The replicas whose deadline has come, earliest first. They keep it until it is set anew.
    pub(super) fn due(&self, now: Moment) -> Vec<Place> {
        self.in_order.iter().take_while(|(at, _)| *at <= now).map(|&(_, place)| place).collect()
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Moment {
        self.in_order.first().map_or(Moment::NEVER, |&(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_has_one_deadline() {
        let at = Moment::from_nanos;
        let place = |replica| Place { service: 0, replica };
        let mut timers = Timers::default();
        assert_eq!(timers.next(), Moment::NEVER);
        timers.set(place(1), at(5));
        timers.set(place(2), at(3));
        timers.set(place(1), at(2));
        timers.set(place(1), at(2));
        assert_eq!((timers.next(), timers.due(at(4))), (at(2), vec![place(1), place(2)]));
        timers.set(place(1), Moment::NEVER);
        timers.set(place(3), Moment::NEVER);
        assert_eq!((timers.next(), timers.due(at(4))), (at(3), vec![place(2)]));
        timers.set(place(2), at(9));
        assert_eq!((timers.next(), timers.due(at(4))), (at(9), vec![]));
    }
}
