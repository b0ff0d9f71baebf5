//! The one place where the suite reads a clock or lets time pass.

use std::time::{Duration, Instant};

/// How long anything may take that has to happen; generous, since the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Time since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the suite runs in real time")]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Lets time pass where that is what is tested: something slow, or something that must not happen.
#[expect(clippy::disallowed_methods, reason = "slowness cannot be awaited")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Asks `found` until it has a value. For what the program tells nobody when it happens.
///
/// # Panics
/// When that takes longer than [`PATIENCE`]; `what` says what was awaited.
pub(crate) fn poll<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(watch.elapsed() < PATIENCE, "awaited in vain for {PATIENCE:?}: {what}");
        pause(Duration::from_millis(5));
    }
}
