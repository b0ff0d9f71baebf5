//! The only place that reads the machine's clocks.

use std::time::{Instant, SystemTime};

use crate::base::time::{Moment, WallTime};

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

/// How an engine tells the calendar's time at a moment that is now.
pub(super) type WallClock = fn(Moment) -> WallTime;

/// What the machine's calendar says: read anew for each call, since it may be set while the monotonic clock runs on. One
/// before 1970 counts as 1970.
#[allow(clippy::disallowed_methods)]
pub(super) fn wall_time(_: Moment) -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    WallTime::since_1970(since.unwrap_or_default())
}
