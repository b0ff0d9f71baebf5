//! The kernels of `bench/kernels` in nanoseconds: `cargo bench --bench micro`, or `-- "request head"` for some of them.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;

#[path = "../bench/kernels/mod.rs"]
mod kernels;

use kernels::{Kernel, Repeated};

/// As in the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn micro(criterion: &mut Criterion) {
    for group in kernels::all().chunk_by(|one, other| one.group == other.group) {
        measure(criterion, group);
    }
}

fn measure(criterion: &mut Criterion, kernels: &[Kernel]) {
    let Some(first) = kernels.first() else { return };
    let mut group = criterion.benchmark_group(first.group);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1)).sample_size(50);
    for kernel in kernels {
        if kernel.bytes > 0 {
            group.throughput(Throughput::Bytes(kernel.bytes as u64));
        }
        let mut prepared = None;
        group.bench_function(&kernel.name, |bencher| {
            let repeated = prepared.get_or_insert_with(|| kernel.prepare());
            bencher.iter_custom(|times| timed(repeated, times));
        });
    }
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(repeated: &mut Repeated, times: u64) -> Duration {
    let start = Instant::now();
    repeated(times);
    start.elapsed()
}

criterion_group!(benches, micro);
criterion_main!(benches);
