//! Parts of others beside what the standard library has for the same: `cargo bench --bench choices`. ARCHITECTURE.md has
//! the figures; a crate that wins nothing here does not stand there for its speed.

use std::collections::hash_map::RandomState as SipHash;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use crossbeam::queue::SegQueue;
use crossbeam::utils::CachePadded;

/// Hosts of a large configuration.
const HOSTS: usize = 64;
/// As many observations as wait for the control thread at a busy moment.
const OBSERVATIONS: usize = 64;

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash of a client address");
    hash_an_address(&mut group, "ahash", &ahash::RandomState::new());
    hash_an_address(&mut group, "std", &SipHash::new());
    group.finish();

    let mut group = criterion.benchmark_group("look-up of a host");
    look_up_hosts(&mut group, "ahash", ahash::RandomState::new());
    look_up_hosts(&mut group, "std", SipHash::new());
    group.finish();
}

fn hash_an_address(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, hasher: &impl BuildHasher) {
    let address: IpAddr = [192, 0, 2, 77].into();
    group.bench_function(name, |bencher| bencher.iter(|| hasher.hash_one(black_box(address))));
}

fn look_up_hosts(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, hasher: impl BuildHasher) {
    let mut hosts: HashMap<Box<[u8]>, usize, _> = HashMap::with_hasher(hasher);
    hosts.extend((0..HOSTS).map(|host| (format!("host-{host}.shop.example.com").into_bytes().into(), host)));
    let wanted = format!("host-{}.shop.example.com", HOSTS / 2);
    group.bench_function(name, |bencher| bencher.iter(|| hosts.get(black_box(wanted.as_bytes()))));
}

/// One message through what carries wake-ups and observations between threads, nobody else being there.
fn queues(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue: a message in and out");
    let queue = SegQueue::new();
    group.bench_function("crossbeam SegQueue", |bencher| {
        bencher.iter(|| {
            queue.push(black_box(7_usize));
            queue.pop()
        });
    });
    let queue = parking(VecDeque::new());
    group.bench_function("std Mutex of a VecDeque", |bencher| {
        bencher.iter(|| {
            with(&queue, |queue| queue.push_back(black_box(7_usize)));
            with(&queue, VecDeque::pop_front)
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("channel: an observation in and out");
    let (sender, receiver) = crossbeam::channel::bounded(OBSERVATIONS);
    group.bench_function("crossbeam channel", |bencher| {
        bencher.iter(|| (sender.try_send(black_box(7_usize)), receiver.try_recv()));
    });
    let (sender, receiver) = mpsc::sync_channel(OBSERVATIONS);
    group.bench_function("std channel", |bencher| {
        bencher.iter(|| (sender.try_send(black_box(7_usize)), receiver.try_recv()));
    });
    group.finish();
}

#[expect(clippy::disallowed_types, reason = "it is what the queue is compared with")]
fn parking<T>(value: T) -> std::sync::Mutex<T> {
    std::sync::Mutex::new(value)
}

#[expect(clippy::disallowed_types, reason = "it is what the queue is compared with")]
fn with<T, R>(held: &std::sync::Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R {
    work(&mut held.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// What a core pays for a count while another core counts beside it.
fn padding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a count beside another core's");
    let apart: Arc<[CachePadded<AtomicU64>; 2]> = Arc::default();
    count_beside(&mut group, "crossbeam CachePadded", move |core| {
        apart[core].fetch_add(1, Ordering::Relaxed);
    });
    let together: Arc<[AtomicU64; 2]> = Arc::default();
    count_beside(&mut group, "on one cache line", move |core| {
        together[core].fetch_add(1, Ordering::Relaxed);
    });
    group.finish();
}

fn count_beside(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    count: impl Fn(usize) + Send + Clone + 'static,
) {
    let over = Arc::new(AtomicBool::new(false));
    let (neighbour, is_over) = (count.clone(), over.clone());
    let thread = thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            neighbour(1);
        }
    });
    group.bench_function(name, |bencher| bencher.iter(|| count(0)));
    over.store(true, Ordering::Relaxed);
    let _ = thread.join();
}

criterion_group!(benches, hashing, queues, padding);
criterion_main!(benches);
