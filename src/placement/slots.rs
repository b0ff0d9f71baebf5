//! System A's ring: a few hundred slots, a few virtual servers for each replica, collisions resolved by probing.
//!
//! The whole rule, for whoever must agree with it; M is the number of slots, a power of two, and `i` a request's number
//! ([`KeyHasher::RequestId`](super::KeyHasher::RequestId)) or a replica's ordinal:
//! 1. A replica has log2(M) virtual servers, j = 0, 1, ... The replicas are put in by rising ordinal, and each one's
//!    virtual servers by rising j.
//! 2. A virtual server's home is Phi(i, j). If it is taken, slots are tried at distances p = 0, 1, ..., M - 1 (linear
//!    probing) or p^2 of those (quadratic), modulo M. If none of them is free there is no ring.
//! 3. A request's slot is H(i). It belongs to the first virtual server in it or behind it, around the ring.
//! 4. Who comes after the first are the other replicas as their virtual servers follow.
//!
//! The functions, by [`SlotHash`], all in unsigned 64 bits that wrap:
//! - given: H(i) = (i^2 + 2i + 17) mod M and Phi(i, j) = (i^2 + j^2 + 2j + 25) mod M.
//! - modified: the polynomials of `given` before `mod M`, as x, then `x ^= x >> 30; x *= 0xbf58476d1ce4e5b9; x ^= x >>
//!   27; x *= 0x94d049bb133111eb; x ^= x >> 31` (the finalizer of SplitMix64), of which the top log2(M) bits count.
//! - cryptographic: the first 8 bytes, highest first, of the SHA-256 of i (of Phi: of i and j) as 8 bytes each, highest
//!   first; modulo M.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::hash::KeyHash;
use super::ring::{Ring, Walk};
use super::table::{Member, TableError};
use crate::base::algorithm::{Probing, SlotHash, SlotsRule};

/// The most slots of one ring: an entry's number fits 16 bits, and a ring takes 640 KiB at most.
pub const SLOTS_MAX: u32 = 1 << 16;

/// The compiled ring: each slot's owner, found beforehand. Immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotRing {
    functions: Functions,
    /// Each slot's owner: its own virtual server or the next one. Empty without replicas.
    owners: Arc<[u16]>,
    /// For each slot the place of that virtual server in `virtual_servers`; `owners` has what this would lead to, so
    /// that a look-up is one load.
    places: Arc<[u16]>,
    /// The virtual servers as they follow each other, so that a walk need not go over empty slots, most of them in a
    /// ring of three.
    virtual_servers: Ring,
}

impl SlotRing {
    /// Compiles the ring; indices are positions in `members`. Who gets which slot depends on ordinals alone.
    ///
    /// # Errors
    /// When the number of slots is no power of two from 2 to [`SLOTS_MAX`], or when a virtual server finds no free
    /// slot.
    pub fn build(members: &[Member<'_>], rule: SlotsRule) -> Result<Self, TableError> {
        if !rule.slots.is_power_of_two() || !(2..=SLOTS_MAX).contains(&rule.slots) {
            return Err(TableError::SlotCount { slots: rule.slots });
        }
        let functions = Functions { hash: rule.hash, bits: rule.slots.ilog2() };
        let mut by_ordinal: Vec<u16> = (0..).take(members.len()).collect();
        by_ordinal
            .sort_by_key(|&index| (members[usize::from(index)].ordinal, members[usize::from(index)].name));
        let mut slots = vec![None; rule.slots as usize];
        for index in by_ordinal {
            let ordinal = members[usize::from(index)].ordinal;
            for virtual_server in 0..functions.bits {
                let home = functions.virtual_server(ordinal.into(), virtual_server.into());
                let slot = free_slot(&slots, home, rule.probing)
                    .ok_or(TableError::NoFreeSlot { ordinal, probing: rule.probing })?;
                slots[slot] = Some(index);
            }
        }
        let virtual_servers: Vec<u16> = slots.iter().filter_map(|slot| *slot).collect();
        let places = if members.is_empty() { Arc::default() } else { places(&slots, virtual_servers.len()) };
        Ok(SlotRing {
            functions,
            owners: places.iter().map(|place| virtual_servers[usize::from(*place)]).collect(),
            places,
            virtual_servers: Ring::new(virtual_servers, members.len()),
        })
    }

    /// How many slots there are.
    pub const fn slots(&self) -> usize {
        1 << self.functions.bits
    }

    /// The slot of a request: below [`SlotRing::slots`].
    pub fn slot(&self, hash: KeyHash) -> usize {
        self.functions.request(hash.as_u64())
    }

    /// Who owns a slot, be it by a virtual server in it or by the next one; `None` without replicas.
    pub fn owner(&self, slot: usize) -> Option<u16> {
        self.owners.get(slot).copied()
    }

    /// Whether each slot gets requests only as the numbers that square to it have it (`given`), instead of all alike.
    pub fn is_polynomial(&self) -> bool {
        self.functions.hash == SlotHash::Given
    }

    /// The request's replica; `None` without replicas. A few multiplications and one load; with `cryptographic` also a
    /// SHA-256.
    pub fn first(&self, hash: KeyHash) -> Option<u16> {
        self.owner(self.slot(hash))
    }

    /// Every replica once, as their virtual servers follow.
    pub fn order(&self, hash: KeyHash) -> Walk<'_> {
        let place = self.places.get(self.slot(hash)).copied().unwrap_or(0);
        self.virtual_servers.walk(place.into())
    }
}

/// H and Phi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Functions {
    hash: SlotHash,
    /// log2 of the number of slots.
    bits: u32,
}

impl Functions {
    fn request(self, i: u64) -> usize {
        let polynomial = i.wrapping_mul(i).wrapping_add(i.wrapping_mul(2)).wrapping_add(17);
        self.reduce(polynomial, || sha_256(&[i]))
    }

    fn virtual_server(self, i: u64, j: u64) -> usize {
        let polynomial = i.wrapping_mul(i).wrapping_add(j * j + 2 * j + 25);
        self.reduce(polynomial, || sha_256(&[i, j]))
    }

    /// M is a power of two, so what wrapped at 2^64 does not change the remainder.
    fn reduce(self, polynomial: u64, cryptographic: impl FnOnce() -> u64) -> usize {
        let top = |mixed: u64| mixed >> (u64::BITS - self.bits);
        let remainder = |number: u64| number & ((1 << self.bits) - 1);
        let slot = match self.hash {
            SlotHash::Given => remainder(polynomial),
            SlotHash::Modified => top(mix(polynomial)),
            SlotHash::Cryptographic => remainder(cryptographic()),
        };
        slot as usize
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014; the constants are Stafford's variant 13).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn sha_256(numbers: &[u64]) -> u64 {
    let mut hasher = Sha256::new();
    for number in numbers {
        hasher.update(number.to_be_bytes());
    }
    hasher.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn free_slot(slots: &[Option<u16>], home: usize, probing: Probing) -> Option<usize> {
    let distance = |step: usize| match probing {
        Probing::Linear => step,
        Probing::Quadratic => step * step,
    };
    (0..slots.len()).map(|step| (home + distance(step)) % slots.len()).find(|slot| slots[*slot].is_none())
}

/// For each slot the place, among the `virtual_servers` as they follow each other, of its own or the next one.
fn places(slots: &[Option<u16>], virtual_servers: usize) -> Arc<[u16]> {
    let mut passed = 0;
    let place = |slot: &Option<u16>| {
        let place = passed % virtual_servers;
        passed += usize::from(slot.is_some());
        place as u16
    };
    slots.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASHES: [SlotHash; 3] = [SlotHash::Given, SlotHash::Modified, SlotHash::Cryptographic];

    fn build(servers: u32, rule: SlotsRule) -> Result<SlotRing, TableError> {
        let names: Vec<_> = (1..=servers).map(|ordinal| format!("server-{ordinal}")).collect();
        let members: Vec<_> =
            names.iter().zip(1..).map(|(name, ordinal)| Member { name, ordinal, weight: 1 }).collect();
        SlotRing::build(&members, rule)
    }

    /// Each slot's owner by ordinal.
    fn ordinals(servers: u32, rule: SlotsRule) -> Vec<u32> {
        let ring = build(servers, rule).unwrap();
        (0..ring.slots()).map(|slot| u32::from(ring.owner(slot).unwrap()) + 1).collect()
    }

    fn digest(owners: &[u32]) -> String {
        let bytes: Vec<u8> = owners.iter().map(|owner| *owner as u8).collect();
        Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Runs of one owner, as `(owner, slots)`.
    fn runs(owners: &[u32]) -> Vec<(u32, usize)> {
        owners.chunk_by(|one, other| one == other).map(|run| (run[0], run.len())).collect()
    }

    /// The figures come from a script in Python that follows the rule above from its text: numbers without bound, slots
    /// in a dictionary, each request's owner found by walking. The text is the first quarter of the SHA-256 of
    /// the 512 ordinals as bytes, in hexadecimal.
    #[test]
    fn the_ring_is_the_one_that_the_rule_describes() {
        let cases: &[(SlotHash, Probing, u32, &str)] = &[
            (SlotHash::Given, Probing::Linear, 3, "9ea5ae2b7a314351"),
            (SlotHash::Given, Probing::Linear, 10, "a7f62ad2fd57b2c5"),
            (SlotHash::Given, Probing::Linear, 30, "6641d0599f86f7d2"),
            (SlotHash::Given, Probing::Quadratic, 3, "9ea5ae2b7a314351"),
            (SlotHash::Given, Probing::Quadratic, 10, "1bf7dfd82cd8c180"),
            (SlotHash::Given, Probing::Quadratic, 30, "fa211f9c8f1e4f36"),
            (SlotHash::Modified, Probing::Linear, 3, "2bf58124e973597b"),
            (SlotHash::Modified, Probing::Linear, 10, "57d3c0d1be746cda"),
            (SlotHash::Modified, Probing::Linear, 30, "5031841268356a0f"),
            (SlotHash::Modified, Probing::Quadratic, 3, "2bf58124e973597b"),
            (SlotHash::Modified, Probing::Quadratic, 10, "d5e92ee7c4894400"),
            (SlotHash::Modified, Probing::Quadratic, 30, "77a1797b2d3c53e0"),
            (SlotHash::Cryptographic, Probing::Linear, 3, "2cb0644fb22576fc"),
            (SlotHash::Cryptographic, Probing::Linear, 10, "6b4f98bd71c06afb"),
            (SlotHash::Cryptographic, Probing::Linear, 30, "3a9036692d650307"),
            (SlotHash::Cryptographic, Probing::Quadratic, 3, "2cb0644fb22576fc"),
            (SlotHash::Cryptographic, Probing::Quadratic, 10, "9275f90e3c036489"),
            (SlotHash::Cryptographic, Probing::Quadratic, 30, "faf6dba54ad311e2"),
        ];
        for &(hash, probing, servers, expected) in cases {
            let owners = ordinals(servers, SlotsRule { slots: 512, hash, probing });
            assert_eq!(
                digest(&owners),
                expected,
                "{servers} servers, {hash:?}, {probing:?}: {:?}",
                runs(&owners)
            );
        }
    }

    #[test]
    fn system_a_s_first_three_servers_lie_where_its_formulas_put_them() {
        // Phi(1, j): 26, 29, 34, 41, 50, 61, 74, 89, 106. Phi(2, j): 29 (taken: 30), 32, 37, 44, 53, 64, 77, 92, 109.
        // Phi(3, j): 34 (taken: 35), 37 (taken: 38), 42, 49, 58, 69, 82, 97, 114.
        let virtual_servers = [
            (26, 1),
            (29, 1),
            (30, 2),
            (32, 2),
            (34, 1),
            (35, 3),
            (37, 2),
            (38, 3),
            (41, 1),
            (42, 3),
            (44, 2),
            (49, 3),
            (50, 1),
            (53, 2),
            (58, 3),
            (61, 1),
            (64, 2),
            (69, 3),
            (74, 1),
            (77, 2),
            (82, 3),
            (89, 1),
            (92, 2),
            (97, 3),
            (106, 1),
            (109, 2),
            (114, 3),
        ];
        let owners = ordinals(3, SlotsRule::default());
        let mut from = 0;
        for (slot, ordinal) in virtual_servers {
            assert!(owners[from..=slot].iter().all(|owner| *owner == ordinal), "slots {from} to {slot}");
            from = slot + 1;
        }
        assert!(owners[from..].iter().all(|owner| *owner == 1), "around the ring");
    }

    /// Worked out by the same script.
    #[test]
    fn a_request_s_number_finds_its_slot() {
        let numbers = [0, 1, 132_574, 999_999, 4_294_967_296, 9_999_999_999_999_999_999, u64::MAX];
        let expected: [(SlotHash, [usize; 7]); 3] = [
            (SlotHash::Given, [17, 20, 81, 16, 17, 16, 16]),
            (SlotHash::Modified, [96, 29, 192, 168, 284, 448, 435]),
            (SlotHash::Cryptographic, [378, 178, 13, 356, 83, 247, 93]),
        ];
        for (hash, slots) in expected {
            let ring = build(3, SlotsRule { hash, ..SlotsRule::default() }).unwrap();
            assert_eq!(numbers.map(|number| ring.slot(KeyHash::from_u64(number))), slots, "{hash:?}");
        }
    }

    /// A ring of 512 slots has room for 56 servers of 9. Linear probing finds all of it; squares reach 87 of 512
    /// distances, and fail earlier the more homes are the same.
    #[test]
    fn a_ring_of_512_slots_is_full_at_these_numbers_of_servers() {
        let fits = |hash, probing| {
            (1..)
                .find(|servers| build(servers + 1, SlotsRule { slots: 512, hash, probing }).is_err())
                .unwrap()
        };
        assert_eq!(HASHES.map(|hash| fits(hash, Probing::Linear)), [56, 56, 56]);
        assert_eq!(HASHES.map(|hash| fits(hash, Probing::Quadratic)), [39, 55, 56]);
        let refusal = build(57, SlotsRule::default());
        assert_eq!(refusal, Err(TableError::NoFreeSlot { ordinal: 57, probing: Probing::Linear }));
    }

    #[test]
    fn the_number_of_slots_is_a_power_of_two_in_range() {
        for slots in [0, 1, 3, 511, SLOTS_MAX + 1, SLOTS_MAX * 2, u32::MAX] {
            let rule = SlotsRule { slots, ..SlotsRule::default() };
            assert_eq!(build(1, rule), Err(TableError::SlotCount { slots }));
        }
        for slots in [2, 4, 1024, SLOTS_MAX] {
            assert_eq!(
                build(1, SlotsRule { slots, ..SlotsRule::default() }).unwrap().slots(),
                slots as usize
            );
        }
    }

    #[test]
    fn ordinals_decide_and_neither_names_nor_the_list_s_order() {
        let member = |name, ordinal| Member { name, ordinal, weight: ordinal };
        let rule = SlotsRule::default();
        let one = SlotRing::build(&[member("a", 1), member("b", 5)], rule).unwrap();
        let other = SlotRing::build(&[member("a", 5), member("b", 1)], rule).unwrap();
        for slot in 0..512 {
            assert_eq!(one.owner(slot).map(|index| 1 - index), other.owner(slot));
        }
    }

    #[test]
    fn without_replicas_there_is_nobody() {
        let ring = build(0, SlotsRule::default()).unwrap();
        assert_eq!((ring.first(KeyHash::from_u64(1)), ring.order(KeyHash::from_u64(1)).next()), (None, None));
    }
}
