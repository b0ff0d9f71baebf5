//! How long to wait before a replica is started again.

use std::time::Duration;

use crate::base::random::Random;
use crate::base::supervision::Supervision;

/// The longest pause before a start that the provider refused to begin is tried again. What it lacks (an engine, a port) is no
/// fault of the replica's, asking costs next to nothing, and once it is there clients should not wait for long.
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A replica's failures in a row, and the starts refused since the last that was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
    pauses: u32,
    refusals: u32,
}

impl Backoff {
    /// Notes a failure of an instance that was active for so long (`None`: never), and returns the pause before the next
    /// start.
    ///
    /// The first failure of one that served costs no pause: a single death should cost a service as little as possible.
    /// Whoever fails again before it was stable waits, each time twice as long, give or take a quarter, so that replicas
    /// that fell together do not come back together.
    pub(super) fn fail(
        &mut self,
        active_for: Option<Duration>,
        rule: &Supervision,
        random: &mut Random,
    ) -> Duration {
        if active_for.is_some_and(|active_for| active_for >= rule.stable) {
            *self = Backoff::default();
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 && active_for.is_some() {
            return Duration::ZERO;
        }
        let pause = doubled(self.pauses, rule.backoff_max, rule, random);
        self.pauses = self.pauses.saturating_add(1);
        pause
    }

    /// Notes that the provider refused to begin a start, and returns the pause before the next one. It is no failure: it
    /// makes no crash loop, and no later failure costs more for it.
    pub(super) fn refuse(&mut self, rule: &Supervision, random: &mut Random) -> Duration {
        let pause = doubled(self.refusals, rule.backoff_max.min(REFUSED_PAUSE_MAX), rule, random);
        self.refusals = self.refusals.saturating_add(1);
        pause
    }

    /// The provider has begun a start.
    pub(super) fn begin(&mut self) {
        self.refusals = 0;
    }

    /// Starts refused in a row.
    pub(super) fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether an operator should look.
    pub(super) fn is_crash_loop(&self, rule: &Supervision) -> bool {
        self.failures >= rule.crash_loop.max(1)
    }
}

/// The shortest pause, doubled so often, give or take a quarter.
fn doubled(times: u32, longest: Duration, rule: &Supervision, random: &mut Random) -> Duration {
    let doubled = rule.backoff_min.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX));
    let pause = doubled.min(longest);
    let jittered = pause.saturating_mul(750 + random.below(501) as u32) / 1_000;
    jittered.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Supervision = Supervision {
        startup: Duration::from_secs(30),
        stable: Duration::from_secs(10),
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_secs(2),
        crash_loop: 3,
        drain: Duration::ZERO,
        stop_timeout: Duration::ZERO,
        stop_signal: crate::base::supervision::StopSignal::Int,
        on_exit: crate::base::supervision::OnExit::Stop,
    };

    /// For how many seconds the instances that fail were active.
    type Lives = &'static [Option<u64>];

    /// Lives, and the middles of the pauses after them in milliseconds.
    const HISTORIES: &[(&str, Lives, &[u64])] = &[
        (
            "a start that never succeeds waits from the first failure on",
            &[None; 7],
            &[100, 200, 400, 800, 1_600, 2_000, 2_000],
        ),
        ("the first death of one that served costs nothing", &[Some(60)], &[0]),
        ("also if it did not serve for long", &[Some(0)], &[0]),
        ("the next one does, unless it was stable", &[Some(0), Some(1), Some(9)], &[0, 100, 200]),
        ("who was stable begins anew", &[None, None, Some(10), Some(10)], &[100, 200, 0, 0]),
    ];

    #[test]
    fn pauses_follow_the_history() {
        for (name, active, middles) in HISTORIES {
            for seed in 0..50 {
                let (mut backoff, mut random) = (Backoff::default(), Random::new(seed));
                for (active, middle) in active.iter().zip(*middles) {
                    let pause = backoff.fail(active.map(Duration::from_secs), &RULE, &mut random);
                    let bounds = middle * 3 / 4..=(middle * 5 / 4).min(2_000);
                    assert!(bounds.contains(&(pause.as_millis() as u64)), "{name}, {seed}: {pause:?}");
                }
            }
        }
    }

    #[test]
    fn pauses_differ_from_replica_to_replica() {
        let pause = |seed| Backoff::default().fail(None, &RULE, &mut Random::new(seed));
        assert_ne!(pause(1), pause(2));
    }

    #[test]
    fn a_number_of_failures_in_a_row_is_a_crash_loop() {
        let (mut backoff, mut random) = (Backoff::default(), Random::new(1));
        let mut loops = Vec::new();
        for active in [None, Some(1), None, None, Some(20)] {
            backoff.fail(active.map(Duration::from_secs), &RULE, &mut random);
            loops.push(backoff.is_crash_loop(&RULE));
        }
        assert_eq!(loops, [false, false, true, true, false]);
    }

    #[test]
    fn refusals_are_no_failures_and_their_pauses_stay_short() {
        let rule = Supervision { backoff_max: Duration::from_secs(30), ..RULE };
        let (mut backoff, mut random) = (Backoff::default(), Random::new(1));
        for middle in [100, 200, 400, 800, 1_000, 1_000] {
            let pause = backoff.refuse(&rule, &mut random).as_millis() as u64;
            assert!((middle * 3 / 4..=(middle * 5 / 4).min(1_000)).contains(&pause), "{pause}");
        }
        assert_eq!((backoff.refusals(), backoff.failures(), backoff.is_crash_loop(&rule)), (6, 0, false));
        backoff.begin();
        assert_eq!(backoff, Backoff::default());
        for _ in 0..100 {
            assert!(backoff.refuse(&RULE, &mut random) <= REFUSED_PAUSE_MAX);
        }
    }

    #[test]
    fn endless_failures_overflow_nothing() {
        let (mut backoff, mut random) = (Backoff::default(), Random::new(1));
        for _ in 0..100 {
            assert!(backoff.fail(None, &RULE, &mut random) <= RULE.backoff_max);
        }
    }
}
