//! A compiled placement: from a key's hash to the service's replicas in order.

use thiserror::Error;

use super::hash::{KeyHash, KeyHasher};
use super::ketama::{self, Ketama};
use super::maglev::Maglev;
use super::modulo::{ByShard, Modulo};
use super::rendezvous::{REPLICAS_MAX, Ranked, Rendezvous};
use super::ring::Walk;
use super::slots::{self, SlotRing};
use crate::base::algorithm::{Algorithm, Probing};

/// A member as placements see it. Its address plays no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The stable name.
    pub name: &'a str,
    /// A number that the name got once: what system A's functions take. From 1.
    pub ordinal: u32,
    /// Its share relative to the others'; from 1.
    pub weight: u32,
}

/// Why there is no table for these members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// A virtual server found no free slot.
    #[error(
        "no free slot can be reached for replica {ordinal} by {} probing; {}more slots or fewer replicas help",
        name_of(*.probing), advice(*.probing)
    )]
    NoFreeSlot {
        /// The replica whose virtual server it is.
        ordinal: u32,
        /// How it was searched for.
        probing: Probing,
    },
    /// A ring of slots whose size is not one.
    #[error("a ring has no {slots} slots; write a power of two from 2 to {}", slots::SLOTS_MAX)]
    SlotCount {
        /// The number as written.
        slots: u32,
    },
    /// A continuum that is too large.
    #[error(
        "the replicas' weights ask for {points} points of ketama, which takes {} at most; write smaller weights in the same ratio",
        ketama::POINTS_MAX
    )]
    Points {
        /// How many points.
        points: usize,
    },
}

/// One service's compiled placement; immutable, shared by all cores. Indices are positions in the list of members that
/// it was built from. A clone shares what was compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// Weighted rendezvous.
    Rendezvous(Rendezvous),
    /// Maglev's table.
    Maglev(Maglev),
    /// nginx's continuum.
    Ketama(Ketama),
    /// System A's ring.
    Slots(SlotRing),
    /// System B's map.
    Modulo(Modulo),
}

impl Table {
    /// Compiles the table. Names and ordinals differ; of more than [`REPLICAS_MAX`] members the rest is left out.
    ///
    /// # Errors
    /// When the members do not fit: see [`TableError`].
    pub fn build(algorithm: &Algorithm, members: &[Member<'_>]) -> Result<Self, TableError> {
        let members = &members[..members.len().min(REPLICAS_MAX)];
        let weighted = || members.iter().map(|member| (member.name, member.weight)).collect::<Vec<_>>();
        Ok(match *algorithm {
            Algorithm::Rendezvous => Table::Rendezvous(Rendezvous::build(&weighted())),
            Algorithm::Maglev => Table::Maglev(Maglev::build(&weighted())),
            Algorithm::Ketama => {
                check_points(members)?;
                Table::Ketama(Ketama::build(&weighted()))
            }
            Algorithm::Slots(rule) => Table::Slots(SlotRing::build(members, rule)?),
            Algorithm::Modulo(rule) => {
                let names: Vec<_> = members.iter().map(|member| member.name).collect();
                Table::Modulo(Modulo::build(&names, rule))
            }
        })
    }

    /// Whether [`Table::build`] would compile a table. Costs a millisecond at most, where compiling it may take forty.
    ///
    /// # Errors
    /// Those of [`Table::build`].
    pub fn check(algorithm: &Algorithm, members: &[Member<'_>]) -> Result<(), TableError> {
        let members = &members[..members.len().min(REPLICAS_MAX)];
        match *algorithm {
            Algorithm::Rendezvous | Algorithm::Maglev | Algorithm::Modulo(_) => Ok(()),
            Algorithm::Ketama => check_points(members),
            Algorithm::Slots(rule) => SlotRing::build(members, rule).map(|_| ()),
        }
    }

    /// How the algorithm makes a hash of a key.
    pub const fn hasher(&self) -> KeyHasher {
        match self {
            Table::Rendezvous(_) | Table::Maglev(_) => KeyHasher::Xxh3,
            Table::Ketama(_) => KeyHasher::Crc32,
            Table::Slots(_) => KeyHasher::RequestId,
            Table::Modulo(_) => KeyHasher::ByteSum,
        }
    }

    /// The key's first replica; `None` without replicas. Costs one or two loads; `benches/micro.rs` measures it.
    pub fn first(&self, hash: KeyHash) -> Option<u16> {
        match self {
            Table::Rendezvous(table) => table.preference(hash).first().copied(),
            Table::Maglev(table) => table.first(hash),
            Table::Ketama(table) => table.first(hash),
            Table::Slots(table) => table.first(hash),
            Table::Modulo(table) => table.first(hash),
        }
    }

    /// Every replica once, in the order in which the key tries them; begins with [`Table::first`]. Allocates nothing,
    /// its first item costs 4 ns more than `first`.
    pub fn order(&self, hash: KeyHash) -> Order<'_> {
        Order(match self {
            Table::Rendezvous(table) => Kind::Ranked(table.order(hash)),
            Table::Maglev(table) => Kind::Walk(table.order(hash)),
            Table::Ketama(table) => Kind::Walk(table.order(hash)),
            Table::Slots(table) => Kind::Walk(table.order(hash)),
            Table::Modulo(table) => Kind::ByShard(table.order(hash)),
        })
    }

    /// The number of the key's slot: rendezvous' or system A's slot, Maglev's entry, system B's shard. `None` for
    /// ketama, whose points lie anywhere.
    pub fn slot(&self, hash: KeyHash) -> Option<usize> {
        match self {
            Table::Rendezvous(_) => Some(Rendezvous::slot(hash)),
            Table::Maglev(_) => Some(Maglev::entry(hash)),
            Table::Ketama(_) => None,
            Table::Slots(table) => Some(table.slot(hash)),
            Table::Modulo(table) => Some(table.shard(hash)),
        }
    }
}

/// See [`Table::order`].
#[derive(Clone, Debug)]
pub struct Order<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    Ranked(Ranked<'a>),
    Walk(Walk<'a>),
    ByShard(ByShard<'a>),
}

impl Iterator for Order<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        match &mut self.0 {
            Kind::Ranked(order) => order.next(),
            Kind::Walk(order) => order.next(),
            Kind::ByShard(order) => order.next(),
        }
    }
}

fn check_points(members: &[Member<'_>]) -> Result<(), TableError> {
    let points = Ketama::points(members.iter().map(|member| member.weight));
    if points > ketama::POINTS_MAX { Err(TableError::Points { points }) } else { Ok(()) }
}

fn name_of(probing: Probing) -> &'static str {
    match probing {
        Probing::Linear => "linear",
        Probing::Quadratic => "quadratic",
    }
}

/// Linear probing fails only when every slot is taken, so there is nothing to advise then.
fn advice(probing: Probing) -> &'static str {
    match probing {
        Probing::Linear => "",
        Probing::Quadratic => "linear probing reaches every slot, and ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::algorithm::SlotsRule;

    fn refusal(algorithm: Algorithm, replicas: u32, weight: u32) -> String {
        let names: Vec<_> = (1..=replicas).map(|number| format!("web-{number}")).collect();
        let members: Vec<_> =
            names.iter().zip(1..).map(|(name, ordinal)| Member { name, ordinal, weight }).collect();
        let refusal = Table::build(&algorithm, &members).unwrap_err();
        assert_eq!(Table::check(&algorithm, &members), Err(refusal));
        refusal.to_string()
    }

    #[test]
    fn a_refusal_says_what_helps() {
        let slots = |slots, probing| Algorithm::Slots(SlotsRule { slots, probing, ..SlotsRule::default() });
        let cases = [
            (
                refusal(slots(512, Probing::Linear), 57, 1),
                "no free slot can be reached for replica 57 by linear probing; more slots or fewer replicas help",
            ),
            (
                refusal(slots(512, Probing::Quadratic), 40, 1),
                "no free slot can be reached for replica 40 by quadratic probing; linear probing reaches every slot, and more slots or fewer replicas help",
            ),
            (
                refusal(slots(500, Probing::Linear), 1, 1),
                "a ring has no 500 slots; write a power of two from 2 to 65536",
            ),
            (
                refusal(Algorithm::Ketama, 27, 1_000),
                "the replicas' weights ask for 4320000 points of ketama, which takes 4194304 at most; write smaller weights in the same ratio",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(text, expected);
        }
    }
}
