//! Whether a replica that serves still does. Overload is not death: what counts as a failure, and what does not.

use std::time::Duration;

use super::event::{Heartbeat, Probe};
use crate::base::random::Random;
use crate::base::supervision::HeartbeatPolicy;
use crate::base::time::Moment;
use crate::placement::ObservationKind;

/// Between the starts of heartbeats that observations cause, at least.
const URGENT_PAUSE: Duration = Duration::from_millis(100);
/// The pause before a replica that is down is looked at again; it doubles.
const RECOVERY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest such pause, and the interval is another bound. For so long a server that is back may be missed.
const RECOVERY_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a connection may take where no policy says it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A failure that the shell noticed later than this is its own slowness.
const LAG_MAX: Duration = Duration::from_millis(50);

/// How the replicas of a service are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WatchRule {
    /// What is asked.
    pub(super) probe: Probe,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// Between the starts of heartbeats; `None`: they are sent only to replicas that the cores found unreachable.
    pub(super) interval: Option<Duration>,
    /// Failures in a row that make a replica silent.
    failures: u32,
}

impl WatchRule {
    /// The rule of a policy, or of none.
    pub(super) fn of(policy: Option<&HeartbeatPolicy>) -> Self {
        WatchRule {
            probe: Probe::of(policy),
            timeout: policy.map_or(CONNECT_TIMEOUT, |policy| policy.timeout),
            interval: policy.map(|policy| policy.interval),
            failures: policy.map_or(u32::MAX, |policy| policy.failures.max(1)),
        }
    }

    /// Whether what comes with this lag may be the machine's own slowness.
    pub(super) fn is_too_late(&self, lag: Duration) -> bool {
        lag > LAG_MAX || lag > self.timeout / 4
    }
}

/// What a heartbeat changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing that anybody has to do something about.
    Unchanged,
    /// A core could not reach the replica, and neither can a heartbeat.
    Unreachable,
    /// It has missed so many heartbeats that it has to be taken out.
    Silent,
    /// It answers again: its health bit has to be set. `was_down` if this is news for the operator.
    Up {
        /// Whether it was reported as unreachable or silent.
        was_down: bool,
    },
}

/// What is known of a replica's life at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing speaks against it.
    Alive,
    /// Something does.
    Suspect,
    /// It does not answer, and is not picked.
    Down,
}

/// The heartbeats of one replica that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Detector {
    /// When the next heartbeat is due, if none is under way.
    next: Moment,
    sent: Option<Moment>,
    in_flight: bool,
    misses: u32,
    /// When the last heartbeat was sent that counted as missed.
    missed: Option<Moment>,
    answers: u64,
    observed: bool,
    /// A core has cleared the health bit.
    cleared: bool,
    /// The machine has cleared it.
    silent: bool,
    reported: bool,
    recovery_pause: Duration,
    last_reason: String,
}

impl Detector {
    /// Watches a replica that just answered (`answers` requests of clients so far). The first heartbeat comes at a random
    /// moment of the interval, so that replicas that came together are not asked together.
    pub(super) fn new(rule: &WatchRule, answers: u64, now: Moment, random: &mut Random) -> Self {
        let next = rule.interval.map_or(Moment::NEVER, |interval| {
            let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
            now + Duration::from_nanos(random.below(nanos))
        });
        Detector {
            next,
            sent: None,
            in_flight: false,
            misses: 0,
            missed: None,
            answers,
            observed: false,
            cleared: false,
            silent: false,
            reported: false,
            recovery_pause: RECOVERY_PAUSE_MIN,
            last_reason: String::new(),
        }
    }

    /// When a heartbeat is due.
    pub(super) fn deadline(&self) -> Moment {
        if self.in_flight { Moment::NEVER } else { self.next }
    }

    /// Whether a heartbeat is to be sent now; if so it counts as sent.
    pub(super) fn beat(&mut self, rule: &WatchRule, now: Moment) -> bool {
        let due = self.deadline() <= now;
        if due {
            self.in_flight = true;
            self.sent = Some(now);
            self.next = rule.interval.map_or(Moment::NEVER, |interval| now + interval);
        }
        due
    }

    /// A core saw something. It is a reason to look, never a verdict; and the same again changes nothing.
    pub(super) fn observe(&mut self, kind: ObservationKind, rule: &WatchRule, now: Moment) {
        let clears = kind == ObservationKind::Unreachable;
        if self.silent || (clears && self.cleared) || (!clears && rule.interval.is_none()) {
            return;
        }
        self.observed = true;
        self.cleared |= clears;
        let earliest = match (rule.interval, self.sent) {
            (None, _) => now + self.recovery_pause(rule),
            (Some(_), Some(sent)) => now.max(sent + URGENT_PAUSE),
            (Some(_), None) => now,
        };
        self.next = self.next.min(earliest);
    }

    /// A heartbeat is over.
    pub(super) fn report(&mut self, beat: &Heartbeat, rule: &WatchRule, now: Moment) -> Verdict {
        self.in_flight = false;
        let served = beat.answers > self.answers;
        self.answers = self.answers.max(beat.answers);
        if beat.answered {
            return self.answered(rule);
        }
        if served {
            self.misses = 0;
            self.missed = None;
            self.observed = self.cleared;
        } else if !rule.is_too_late(beat.lag) && self.counts(rule) {
            self.misses = self.misses.saturating_add(1);
            self.missed = self.sent;
            self.last_reason.clone_from(&beat.reason);
        }
        let verdict = self.judge(rule);
        self.look_again(rule, now);
        verdict
    }

    /// Failures of heartbeats that observations hastened are not to kill sooner than the policy says: two of them count
    /// only if about an interval lies between.
    fn counts(&self, rule: &WatchRule) -> bool {
        match (self.missed, self.sent, rule.interval) {
            (Some(missed), Some(sent), Some(interval)) => sent.since(missed) >= interval / 2,
            _ => true,
        }
    }

    /// A replica that is out is looked at more often than one that serves, at first.
    fn look_again(&mut self, rule: &WatchRule, now: Moment) {
        if self.cleared || self.silent {
            self.next = self.next.min(now + self.recovery_pause(rule));
        }
    }

    fn recovery_pause(&mut self, rule: &WatchRule) -> Duration {
        let longest = rule.interval.unwrap_or(RECOVERY_PAUSE_MAX).min(RECOVERY_PAUSE_MAX);
        let pause = self.recovery_pause;
        self.recovery_pause = (pause * 2).min(longest.max(RECOVERY_PAUSE_MIN));
        pause
    }

    fn judge(&mut self, rule: &WatchRule) -> Verdict {
        if self.misses >= rule.failures && !self.silent {
            self.silent = true;
            self.reported = true;
            Verdict::Silent
        } else if self.cleared && self.misses > 0 && !self.reported {
            self.reported = true;
            Verdict::Unreachable
        } else {
            Verdict::Unchanged
        }
    }

    fn answered(&mut self, rule: &WatchRule) -> Verdict {
        let was_out = self.cleared || self.silent;
        let was_down = std::mem::take(&mut self.reported);
        self.misses = 0;
        self.missed = None;
        self.observed = false;
        self.cleared = false;
        self.silent = false;
        self.recovery_pause = RECOVERY_PAUSE_MIN;
        if rule.interval.is_none() {
            self.next = Moment::NEVER;
        }
        if was_out { Verdict::Up { was_down } } else { Verdict::Unchanged }
    }

    /// For the operator.
    pub(super) fn standing(&self, rule: &WatchRule) -> Standing {
        if self.silent || (self.cleared && (self.misses > 0 || rule.interval.is_none())) {
            Standing::Down
        } else if self.observed || self.misses > 0 {
            Standing::Suspect
        } else {
            Standing::Alive
        }
    }

    /// Whether it has missed so many heartbeats, and given no other sign of life since, that it may be replaced.
    pub(super) fn is_silent(&self, rule: &WatchRule) -> bool {
        self.silent && self.misses >= rule.failures
    }

    /// Heartbeats missed in a row.
    pub(super) fn misses(&self) -> u32 {
        self.misses
    }

    /// What the last heartbeat that counted as missed came to.
    pub(super) fn last_reason(&self) -> &str {
        &self.last_reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::InstanceId;

    fn at(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    fn beat(answered: bool, answers: u64) -> Heartbeat {
        Heartbeat { id: InstanceId(1), answered, reason: "no".to_owned(), lag: Duration::ZERO, answers }
    }

    fn watched() -> WatchRule {
        WatchRule::of(Some(&HeartbeatPolicy::default()))
    }

    fn detector(rule: &WatchRule) -> Detector {
        Detector { next: at(0), ..Detector::new(rule, 0, at(0), &mut Random::new(1)) }
    }

    /// What each heartbeat of a second came to: answered, answers of clients so far, lag in milliseconds.
    type Beats = &'static [(bool, u64, u64)];

    const STORIES: &[(&str, Beats, &[u32], bool)] = &[
        (
            "three misses in a row are silence",
            &[(false, 0, 0), (false, 0, 0), (false, 0, 0)],
            &[1, 2, 3],
            true,
        ),
        (
            "an answer between them forgives",
            &[(false, 0, 0), (false, 0, 0), (true, 0, 0), (false, 0, 0)],
            &[1, 2, 0, 1],
            false,
        ),
        (
            "who answered a client is alive",
            &[(false, 0, 0), (false, 0, 0), (false, 1, 0), (false, 1, 0)],
            &[1, 2, 0, 1],
            false,
        ),
        (
            "a late look counts for nothing",
            &[(false, 0, 0), (false, 0, 51), (false, 0, 51), (false, 0, 0)],
            &[1, 1, 1, 2],
            false,
        ),
        ("a late answer counts", &[(false, 0, 0), (true, 0, 500)], &[1, 0], false),
    ];

    #[test]
    fn misses_count_in_a_row_and_only_where_nothing_speaks_for_the_replica() {
        let rule = watched();
        for (name, beats, misses, silent) in STORIES {
            let mut detector = detector(&rule);
            let mut verdicts = Vec::new();
            for ((second, &(answered, answers, lag)), expected) in beats.iter().enumerate().zip(*misses) {
                let now = at(second as u64 * 1_000);
                assert!(detector.beat(&rule, now), "{name}");
                let beat = Heartbeat { lag: Duration::from_millis(lag), ..beat(answered, answers) };
                verdicts.push(detector.report(&beat, &rule, now));
                assert_eq!(detector.misses(), *expected, "{name}, {second}");
            }
            assert_eq!(verdicts.contains(&Verdict::Silent), *silent, "{name}");
            assert_eq!(detector.is_silent(&rule), *silent, "{name}");
        }
    }

    #[test]
    fn lag_is_measured_by_the_time_out_too() {
        let policy = HeartbeatPolicy { timeout: Duration::from_millis(40), ..HeartbeatPolicy::default() };
        let rule = WatchRule::of(Some(&policy));
        assert!(!rule.is_too_late(Duration::from_millis(10)));
        assert!(rule.is_too_late(Duration::from_millis(11)));
    }

    #[test]
    fn one_heartbeat_is_under_way_at_a_time() {
        let rule = watched();
        let mut detector = detector(&rule);
        assert!(detector.beat(&rule, at(0)));
        detector.observe(ObservationKind::ClosedEarly, &rule, at(500));
        assert_eq!(detector.deadline(), Moment::NEVER);
        assert!(!detector.beat(&rule, at(5_000)));
        assert_eq!(detector.report(&beat(true, 0), &rule, at(5_000)), Verdict::Unchanged);
        assert!(detector.beat(&rule, at(5_000)));
    }

    #[test]
    fn the_first_heartbeat_comes_within_an_interval_at_random() {
        let rule = watched();
        let firsts: std::collections::BTreeSet<Moment> =
            (0..50).map(|seed| Detector::new(&rule, 0, at(0), &mut Random::new(seed)).deadline()).collect();
        assert!(firsts.len() > 40);
        assert!(firsts.iter().all(|first| *first < at(1_000)));
        assert_eq!(
            Detector::new(&WatchRule::of(None), 0, at(0), &mut Random::new(1)).deadline(),
            Moment::NEVER
        );
    }

    #[test]
    fn who_is_silent_is_down_until_it_answers_and_no_candidate_once_it_served_a_client() {
        let rule = watched();
        let mut detector = detector(&rule);
        for second in 0..3 {
            detector.beat(&rule, at(second * 1_000));
            detector.report(&beat(false, 0), &rule, at(second * 1_000));
        }
        assert_eq!((detector.standing(&rule), detector.is_silent(&rule)), (Standing::Down, true));
        detector.observe(ObservationKind::Unreachable, &rule, at(2_000));
        assert!(detector.beat(&rule, at(2_100)), "it is looked at more often");
        assert_eq!(detector.report(&beat(false, 1), &rule, at(2_100)), Verdict::Unchanged);
        assert_eq!((detector.standing(&rule), detector.is_silent(&rule)), (Standing::Down, false));
        assert!(detector.beat(&rule, at(2_300)));
        assert_eq!(detector.report(&beat(true, 1), &rule, at(2_300)), Verdict::Up { was_down: true });
        assert_eq!(detector.standing(&rule), Standing::Alive);
    }
}
