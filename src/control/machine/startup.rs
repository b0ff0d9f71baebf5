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

    /// Whether the start has taken too long. If the machine itself is late to ask that, the instance may have answered
    /// long ago, and gets the time for another heartbeat.
    pub(super) fn is_over(&mut self, rule: &WatchRule, now: Moment) -> bool {
        if rule.is_too_late(now.since(self.until)) {
            self.grant(rule, now);
        }
        self.until <= now
    }

    /// Time for one more heartbeat.
    fn grant(&mut self, rule: &WatchRule, now: Moment) {
        self.until = self.until.max(now + rule.timeout + PAUSE_MAX);
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

    /// A heartbeat failed. One that came to nothing by the machine's own slowness does not use up the instance's time.
    pub(super) fn missed(&mut self, beat: Heartbeat, rule: &WatchRule, now: Moment) {
        self.in_flight = false;
        if rule.is_too_late(beat.lag) {
            self.grant(rule, now);
        }
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
                startup.missed(refused(), &rule, at(millis));
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
        assert!(!startup.is_over(&rule, at(49)) && startup.is_over(&rule, at(50)));
        assert_eq!(startup.last_reason(), "no heartbeat came back");
    }

    #[test]
    fn the_machines_own_slowness_does_not_use_up_the_time_of_a_start() {
        let rule = WatchRule::of(Some(&Default::default()));
        let second = Duration::from_secs(1);
        let mut late = Startup::new(second, at(0));
        assert!(!late.is_over(&rule, at(10_000)), "nobody has looked for ten seconds");
        assert!(!late.is_over(&rule, at(10_599)) && late.is_over(&rule, at(10_600)));

        let mut slow = Startup::new(second, at(0));
        slow.missed(Heartbeat { lag: second, ..refused() }, &rule, at(999));
        assert!(!slow.is_over(&rule, at(1_598)) && slow.is_over(&rule, at(1_599)));
        let mut own = Startup::new(second, at(0));
        own.missed(Heartbeat { lag: Duration::MAX, ..refused() }, &rule, at(100));
        assert!(!own.is_over(&rule, at(999)) && own.is_over(&rule, at(1_000)), "time enough was left");
    }
}
