//! Time as values that engines hand out, so that no other code reads a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in monotonic time: nanoseconds since an origin that the engine chose.
///
/// Moments of one engine instance are comparable; the simulated engine's are virtual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The engine's origin.
    pub const ORIGIN: Moment = Moment(0);
    /// A moment that never comes (584 years after the origin).
    pub const NEVER: Moment = Moment(u64::MAX);

    /// The moment `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Moment(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that passed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Moment> for Moment {
    type Output = Duration;

    fn sub(self, earlier: Moment) -> Duration {
        self.since(earlier)
    }
}

/// A point of the calendar: the time since 1970-01-01 00:00:00 UTC, leap seconds left out. It may jump, forwards or
/// back; only what is shown to others is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(Duration);

impl WallTime {
    /// The point so long after 1970 began.
    pub const fn since_1970(since: Duration) -> Self {
        WallTime(since)
    }

    /// Whole seconds since 1970 began.
    pub const fn seconds(self) -> u64 {
        self.0.as_secs()
    }

    /// How long it is until the next whole second; never zero.
    pub fn until_next_second(self) -> Duration {
        Duration::from_secs(1) - Duration::from_nanos(u64::from(self.0.subsec_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_second_is_a_second_away_at_most_and_never_here() {
        let cases = [(0, 1_000_000_000), (1, 999_999_999), (999_999_999, 1)];
        for (nanos, expected) in cases {
            let wall = WallTime::since_1970(Duration::new(7, nanos));
            assert_eq!((wall.seconds(), wall.until_next_second()), (7, Duration::from_nanos(expected)));
        }
    }

    #[test]
    fn addition_saturates_instead_of_wrapping() {
        assert_eq!(Moment::NEVER + Duration::from_secs(1), Moment::NEVER);
        assert_eq!(Moment::ORIGIN + Duration::MAX, Moment::NEVER);
    }

    #[test]
    fn a_difference_is_never_negative() {
        let early = Moment::from_nanos(5);
        let late = early + Duration::from_nanos(7);
        assert_eq!(late - early, Duration::from_nanos(7));
        assert_eq!(early - late, Duration::ZERO);
    }
}
