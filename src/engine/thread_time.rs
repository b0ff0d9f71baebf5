//! What the kernel says of the calling thread's time.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A thread's time since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTime {
    /// On a CPU.
    pub running: Duration,
    /// Ready to run, while others had the CPU. Zero where the kernel does not account for it.
    pub waiting: Duration,
}

/// The calling thread's time; exact to a tick of the scheduler.
pub fn thread_time() -> ThreadTime {
    let scheduled = fs::read_to_string("/proc/thread-self/schedstat").ok();
    scheduled.as_deref().and_then(parse).unwrap_or_else(|| ThreadTime {
        running: Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default(),
        waiting: Duration::ZERO,
    })
}

/// The first two of schedstat's three numbers: nanoseconds on a CPU, and on its run queue.
fn parse(schedstat: &str) -> Option<ThreadTime> {
    let mut numbers =
        schedstat.split_ascii_whitespace().map(|number| number.parse().ok().map(Duration::from_nanos));
    Some(ThreadTime { running: numbers.next()??, waiting: numbers.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_numbers_of_schedstat_are_running_and_waiting() {
        let nanos = Duration::from_nanos;
        assert_eq!(parse("12 34 5\n"), Some(ThreadTime { running: nanos(12), waiting: nanos(34) }));
        for wrong in ["", "12", "12 x 5"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_thread_that_works_is_seen_running() {
        let before = thread_time();
        let mut word = 1u64;
        while thread_time().running - before.running < Duration::from_millis(20) {
            for _ in 0..100_000 {
                word = std::hint::black_box(word.wrapping_mul(3));
            }
        }
    }
}
