//! A compiled placement: from a key's hash to the service's replicas in order.

use thiserror::Error;

use super::hash::{KeyHash, KeyHasher};
use super::rendezvous::Rendezvous;
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
        "no free slot can be reached for replica {ordinal} by {} probing; {} probing reaches more, and more slots or fewer replicas help",
        name_of(*.probing), name_of(other_than(*.probing))
    )]
    NoFreeSlot {
        /// The replica whose virtual server it is.
        ordinal: u32,
        /// How it was searched for.
        probing: Probing,
    },
}

/// One service's compiled placement; immutable, shared by all cores. Indices are positions in the list of members that it
/// was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// Weighted rendezvous.
    Rendezvous(Rendezvous),
}

impl Table {
    /// Compiles the table. Names and ordinals differ.
    ///
    /// # Errors
    /// When the members do not fit: see [`TableError`].
    pub fn build(algorithm: &Algorithm, members: &[Member<'_>]) -> Result<Self, TableError> {
        let _ = algorithm;
        let weighted: Vec<_> = members.iter().map(|member| (member.name, member.weight)).collect();
        Ok(Table::Rendezvous(Rendezvous::build(&weighted)))
    }

    /// How the algorithm makes a hash of a key.
    pub fn hasher(&self) -> KeyHasher {
        match self {
            Table::Rendezvous(_) => KeyHasher::Xxh3,
        }
    }

    /// The key's first replica; `None` without replicas.
    pub fn first(&self, hash: KeyHash) -> Option<u16> {
        self.order(hash).next()
    }

    /// Every replica once, in the order in which the key tries them.
    pub fn order(&self, hash: KeyHash) -> impl Iterator<Item = u16> + '_ {
        match self {
            Table::Rendezvous(table) => table.order(hash),
        }
    }
}

fn name_of(probing: Probing) -> &'static str {
    match probing {
        Probing::Linear => "linear",
        Probing::Quadratic => "quadratic",
    }
}

fn other_than(probing: Probing) -> Probing {
    match probing {
        Probing::Linear => Probing::Quadratic,
        Probing::Quadratic => Probing::Linear,
    }
}
