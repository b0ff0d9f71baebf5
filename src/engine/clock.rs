//! The only place that reads the machine's clock.

use std::time::Instant;

use crate::base::time::Moment;

/// The machine's monotonic clock, counted from when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now.
    #[allow(clippy::disallowed_methods)]
    pub fn start() -> Self {
        Clock { origin: Instant::now() }
    }

    /// The time now.
    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> Moment {
        Moment::ORIGIN + Instant::now().duration_since(self.origin)
    }
}
