//! From a server's start to its first answer.

use std::time::Duration;

use super::detector::WatchRule;
use super::event::Heartbeat;
use crate::base::time::Moment;

/// The pause after the first heartbeats; each pause is an eighth longer than the one before.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause: what a server may have to wait after it was ready.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The heartbeats of an instance that has not answered one yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Startup {
    begun: Moment,
    until: Moment,
    next: Moment,
    pause: Duration,
    in_flight: bool,
    last: Option<String>,
}

impl Startup {
    /// Heartbeats from now on, for `startup` at most.
    pub(super) fn new(startup: Duration, now: Moment) -> Self {
        Startup {
            begun: now,
            until: now + startup,
            next: now,
            pause: PAUSE_MIN,
            in_flight: false,
            last: None,
        }
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Moment {
        if self.in_flight { self.until } else { self.until.min(self.next) }
    }

    /// Whether the start has taken too long.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.until <= now
    }

    /// Whether a heartbeat is to be sent now; if so it counts as sent.
    pub(super) fn beat(&mut self, rule: &WatchRule, now: Moment) -> bool {
        let due = !self.in_flight && self.next <= now;
        if due {
            self.in_flight = true;
            self.next = now + self.pause;
            let longest = rule.interval.map_or(PAUSE_MAX, |interval| interval.min(PAUSE_MAX));
            self.pause = (self.pause + self.pause / 8).min(longest);
        }
        due
    }

    /// A heartbeat failed.
    pub(super) fn missed(&mut self, beat: Heartbeat) {
        self.in_flight = false;
        self.last = Some(beat.reason);
    }

    /// How long it has taken so far.
    pub(super) fn age(&self, now: Moment) -> Duration {
        now.since(self.begun)
    }

    /// What the last heartbeat that failed came to.
    pub(super) fn last_reason(&self) -> &str {
        self.last.as_deref().unwrap_or("no heartbeat came back")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::InstanceId;

    fn at(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    fn refused() -> Heartbeat {
        let reason = "refused the connection".to_owned();
        Heartbeat { id: InstanceId(1), answered: false, reason, lag: Duration::ZERO, answers: 0 }
    }

    #[test]
    fn heartbeats_are_frequent_at_first_and_never_overlap() {
        let rule = WatchRule::of(Some(&Default::default()));
        let mut startup = Startup::new(Duration::from_secs(5), at(0));
        let mut sent = Vec::new();
        for millis in 0..5_000 {
            if startup.beat(&rule, at(millis)) {
                assert!(!startup.beat(&rule, at(millis)), "one at a time");
                assert_eq!(startup.deadline(), at(5_000));
                startup.missed(refused());
                sent.push(millis);
            }
        }
        assert_eq!(sent[..3], [0, 20, 43]);
        assert!(sent.is_sorted() && sent.windows(2).all(|pair| pair[1] - pair[0] <= 101), "{sent:?}");
        assert!((50..80).contains(&sent.len()), "{}", sent.len());
        assert_eq!(startup.last_reason(), "refused the connection");
    }

    #[test]
    fn a_start_is_over_when_its_time_is_whether_or_not_a_heartbeat_is_under_way() {
        let rule = WatchRule::of(None);
        let mut startup = Startup::new(Duration::from_millis(50), at(0));
        assert!(startup.beat(&rule, at(0)));
        assert_eq!(startup.deadline(), at(50));
        assert!(!startup.is_over(at(49)) && startup.is_over(at(50)));
        assert_eq!(startup.last_reason(), "no heartbeat came back");
    }
}
