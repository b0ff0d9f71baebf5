//! Why placements spread as they do: what system A's formulas make of small numbers, and how fine others are.

use std::collections::HashSet;

/// Slots of the ring, and virtual servers of each server: log2 of them.
const SLOTS: u64 = 512;
const VIRTUAL_SERVERS: u64 = SLOTS.ilog2() as u64;

/// What Ringway's rendezvous hashing places: keys share a slot.
pub const RENDEZVOUS_SLOTS: u64 = 4_096;

/// Where the virtual servers of some servers stand by `i^2 + j^2 + 2j + 25`, before probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// The first slot behind the longest arc without any.
    pub first: u64,
    /// The last slot before it.
    pub last: u64,
    /// How many slots that arc has, `first` included: all of them belong to the virtual server in `first`.
    pub empty: u64,
    /// The server that `first` is of.
    pub owner: u32,
}

impl Crowd {
    /// Of the servers with these numbers; `None` without servers.
    pub fn of(ordinals: &[u32]) -> Option<Crowd> {
        let mut homes: Vec<(u64, u32)> = ordinals
            .iter()
            .flat_map(|&ordinal| (0..VIRTUAL_SERVERS).map(move |j| (home(ordinal.into(), j), ordinal)))
            .collect();
        // A slot that two have belongs to the one that came first, which is the one with the smaller number.
        homes.sort_unstable();
        homes.dedup_by_key(|(slot, _)| *slot);
        let before = homes.iter().cycle().skip(homes.len().checked_sub(1)?);
        let arcs = homes.iter().zip(before).map(|(&(first, owner), &(last, _))| {
            let distance = (first + SLOTS - last) % SLOTS;
            // One virtual server alone owns all slots.
            Crowd { first, last, empty: if distance == 0 { SLOTS } else { distance }, owner }
        });
        arcs.max_by_key(|crowd| crowd.empty)
    }

    /// The part of the ring that is the longest arc, in percent.
    pub fn empty_percent(&self) -> f64 {
        100.0 * self.empty as f64 / SLOTS as f64
    }
}

fn home(ordinal: u64, virtual_server: u64) -> u64 {
    (ordinal * ordinal + virtual_server * virtual_server + 2 * virtual_server + 25) % SLOTS
}

/// How many of the slots `i^2 + 2i + 17` reaches at all.
pub fn slots_reached() -> usize {
    (0..SLOTS).map(|i| (i * i + 2 * i + 17) % SLOTS).collect::<HashSet<u64>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virtual_servers_of_three_stand_in_a_sixth_of_the_ring() {
        let crowd = Crowd::of(&[1, 2, 3]).unwrap();
        assert_eq!(crowd, Crowd { first: 26, last: 114, empty: 424, owner: 1 });
    }

    #[test]
    fn without_servers_there_is_no_crowd() {
        assert_eq!(Crowd::of(&[]), None);
    }

    #[test]
    fn the_request_function_reaches_a_sixth_of_the_slots() {
        assert_eq!(slots_reached(), 87);
    }
}
