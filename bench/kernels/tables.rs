//! From a key's hash to its replicas, and the tables that are looked into.
//!
//! Look-ups are of hashes that were made beforehand, over and over, so that tables are in the caches as they are under
//! load and the processor cannot guess the next one; each look-up is independent of the one before.

use std::hint::black_box;

use pingora_ketama::{Bucket, Continuum};
use ringway::base::algorithm::{Algorithm, ModuloRule, Probing, SlotHash, SlotsRule};
use ringway::placement::{KeyHash, Member, Table};

use super::{Kernel, Repeated, repeated};

/// Far more than a branch predictor remembers.
const HASHES: usize = 1 << 14;
/// As many instructions are counted for.
const ROUND: u64 = 1 << 12;
const MOST_REPLICAS: u32 = 100;

pub(super) fn all() -> Vec<Kernel> {
    let algorithms = algorithms().into_iter();
    let first = algorithms.clone().flat_map(|(name, algorithm)| {
        [3, MOST_REPLICAS].map(|replicas| {
            let name = format!("{name}, {replicas} replicas");
            lookup("first replica", name, algorithm, replicas, |table, hash| table.first(hash))
        })
    });
    let second = algorithms.clone().map(|(name, algorithm)| {
        lookup("second replica", name.to_owned(), algorithm, MOST_REPLICAS, |table, hash| {
            table.order(hash).nth(1)
        })
    });
    let build = algorithms.map(|(name, algorithm)| {
        let members = move || Members::new(MOST_REPLICAS);
        Kernel::new("table built", name, move || built(algorithm, members())).in_rounds_of(1)
    });
    let keys = [("ringway", ketama_by_key as fn() -> Repeated), ("pingora-ketama", pingora_by_key)];
    let ketama =
        keys.map(|(name, prepare)| Kernel::new("key to server by ketama", name, prepare).in_rounds_of(ROUND));
    first.chain(second).chain(ketama).chain(build).collect()
}

fn algorithms() -> [(&'static str, Algorithm); 7] {
    let slots = |hash| Algorithm::Slots(SlotsRule { slots: 512, hash, probing: Probing::Linear });
    [
        ("rendezvous", Algorithm::Rendezvous),
        ("maglev", Algorithm::Maglev),
        ("ketama", Algorithm::Ketama),
        ("slots, given", slots(SlotHash::Given)),
        ("slots, modified", slots(SlotHash::Modified)),
        ("slots, cryptographic", slots(SlotHash::Cryptographic)),
        ("modulo", Algorithm::Modulo(ModuloRule { factor: 2 })),
    ]
}

struct Members(Vec<String>);

impl Members {
    fn new(count: u32) -> Members {
        Members((1..=count).map(|number| format!("10.0.0.{number}:8080")).collect())
    }

    fn table(&self, algorithm: Algorithm) -> Option<Table> {
        let members = self.0.iter().zip(1..).map(|(name, ordinal)| Member { name, ordinal, weight: 1 });
        Table::build(&algorithm, &members.collect::<Vec<_>>()).ok()
    }
}

fn keys() -> Vec<String> {
    (0..HASHES).map(|number| format!("{:06}", number * 7_919 % 1_000_000)).collect()
}

/// Slots have no room for the virtual servers of a hundred replicas: then as many as fit.
fn lookup(
    group: &'static str,
    name: String,
    algorithm: Algorithm,
    replicas: u32,
    find: impl Fn(&Table, KeyHash) -> Option<u16> + Copy + 'static,
) -> Kernel {
    let prepare = move || {
        let fitting = (1..=replicas).rev().find_map(|count| Members::new(count).table(algorithm));
        let table = fitting.expect("one replica always fits");
        let hashes: Vec<_> = keys().iter().map(|key| table.hasher().hash(key.as_bytes())).collect();
        each_of(hashes, move |&hash| find(&table, hash))
    };
    Kernel::new(group, name, prepare).in_rounds_of(ROUND)
}

/// One input after the other. A power of two of them, so that beginning anew takes no branch.
fn each_of<I: 'static, R>(inputs: Vec<I>, operation: impl Fn(&I) -> R + 'static) -> Repeated {
    let mut next = 0;
    repeated(move || {
        black_box(operation(&inputs[next & (HASHES - 1)]));
        next += 1;
    })
}

fn ketama_by_key() -> Repeated {
    let table = Members::new(MOST_REPLICAS).table(Algorithm::Ketama).expect("few points");
    each_of(keys(), move |key| table.first(table.hasher().hash(key.as_bytes())))
}

fn pingora_by_key() -> Repeated {
    let members = Members::new(MOST_REPLICAS).0;
    let bucket = |name: &String| Bucket::new(name.parse().expect("address and port"), 1);
    let continuum = Continuum::new(&members.iter().map(bucket).collect::<Vec<_>>());
    each_of(keys(), move |key| continuum.node(key.as_bytes()))
}

fn built(algorithm: Algorithm, members: Members) -> Repeated {
    repeated(move || {
        black_box(members.table(black_box(algorithm)));
    })
}
