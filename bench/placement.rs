//! What a look-up costs, and what a table costs to build, for each placement: `cargo run --release --example
//! placement`.
//!
//! Look-ups are of 65,536 hashes that were made beforehand, over and over, so that tables are in the caches as they are
//! under load and the processor cannot guess the next one; each look-up is independent of the one before.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringway::base::algorithm::{Algorithm, ModuloRule, Probing, SlotHash, SlotsRule};
use ringway::placement::{KeyHash, KeyHasher, Member, Table};

const ROUNDS: usize = 5;
const LOOKUPS: usize = 1 << 22;
const HASHES: usize = 1 << 16;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// The best of a few rounds, in nanoseconds for each of `count`.
fn best(count: usize, mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| timed(&mut round).0);
    times.min().unwrap_or_default().as_nanos() as f64 / count as f64
}

fn hashes(hasher: KeyHasher) -> Vec<KeyHash> {
    (0..HASHES).map(|number| hasher.hash(format!("{:06}", number * 7_919 % 1_000_000).as_bytes())).collect()
}

fn report(name: &str, algorithm: Algorithm, replicas: u32, weight: fn(u32) -> u32) {
    let names: Vec<_> = (1..=replicas).map(|number| format!("10.0.0.{number}:8080")).collect();
    let members: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, ordinal)| Member { name, ordinal, weight: weight(ordinal) })
        .collect();
    let table = match Table::build(&algorithm, &members) {
        Ok(table) => table,
        Err(refusal) => return println!("{name:<22} {replicas:>4}  {refusal}"),
    };
    let build = best(1, || drop(black_box(Table::build(&algorithm, &members)))) / 1e6;
    let hashes = hashes(table.hasher());
    let each = |lookup: &dyn Fn(KeyHash) -> u64| {
        best(LOOKUPS, || {
            let sum = (0..LOOKUPS / HASHES).map(|_| lookup_all(&hashes, lookup)).fold(0, u64::wrapping_add);
            black_box(sum);
        })
    };
    let index = |found: Option<u16>| found.map_or(0, u64::from);
    let nothing = each(&|hash| black_box(hash).as_u64());
    let first = each(&|hash| index(table.first(black_box(hash))));
    let order = each(&|hash| index(table.order(black_box(hash)).next()));
    let second = each(&|hash| index(table.order(black_box(hash)).nth(1)));
    println!("{name:<22} {replicas:>4} {nothing:>8.1} {first:>8.1} {order:>8.1} {second:>8.1} {build:>12.3}");
}

fn lookup_all(hashes: &[KeyHash], lookup: &dyn Fn(KeyHash) -> u64) -> u64 {
    hashes.iter().map(|&hash| lookup(hash)).fold(0, u64::wrapping_add)
}

fn main() {
    println!(
        "{:<22} {:>4} {:>8} {:>8} {:>8} {:>8} {:>12}",
        "placement", "n", "loop ns", "first ns", "order ns", "2nd ns", "build ms"
    );
    let slots = |hash, probing| Algorithm::Slots(SlotsRule { slots: 512, hash, probing });
    let algorithms = [
        ("rendezvous", Algorithm::Rendezvous),
        ("maglev", Algorithm::Maglev),
        ("ketama", Algorithm::Ketama),
        ("slots given", slots(SlotHash::Given, Probing::Linear)),
        ("slots modified", slots(SlotHash::Modified, Probing::Linear)),
        ("slots cryptographic", slots(SlotHash::Cryptographic, Probing::Linear)),
        ("modulo", Algorithm::Modulo(ModuloRule { factor: 2 })),
    ];
    for (name, algorithm) in algorithms {
        for replicas in [3, 10, 100] {
            report(name, algorithm, replicas, |_| 1);
        }
    }
    for (name, algorithm) in algorithms.into_iter().filter(|(_, algorithm)| algorithm.has_weights()) {
        report(&format!("{name}, weights"), algorithm, 100, |ordinal| 1 + ordinal % 10);
    }
}
