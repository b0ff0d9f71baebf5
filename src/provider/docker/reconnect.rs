//! How long to wait before an engine that was lost is tried again: for ever, ever more patiently.

use std::time::Duration;

use crate::base::random::Random;

/// The first pause.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause. Longer ones would save nothing, and an engine that is back should be found soon.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reconnect {
    failures: u32,
}

impl Reconnect {
    /// One more; returns the pause before the next attempt: twice as long each time, give or take a quarter, so that the
    /// Ringways of one engine do not come back together.
    pub(super) fn fail(&mut self, random: &mut Random) -> Duration {
        let doubled = PAUSE_MIN.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = (self.failures + 1).min(u32::BITS);
        doubled.min(PAUSE_MAX).saturating_mul(750 + random.below(501) as u32) / 1_000
    }

    /// The engine has answered all that was asked.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Whether the last attempt failed, too: then the operator knows already.
    pub(super) fn is_repeated(&self) -> bool {
        self.failures > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew_after_a_success() {
        for seed in 0..50 {
            let (mut reconnect, mut random) = (Reconnect::default(), Random::new(seed));
            for middle in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
                let pause = reconnect.fail(&mut random).as_millis() as u64;
                assert!((middle * 3 / 4..=middle * 5 / 4).contains(&pause), "{seed}: {pause}");
            }
            assert!(
                (0..1_000).all(|_| reconnect.fail(&mut random) <= PAUSE_MAX * 5 / 4),
                "nothing overflows"
            );
            assert!(reconnect.is_repeated());
            reconnect.succeed();
            assert!(reconnect.fail(&mut random) <= Duration::from_millis(125) && !reconnect.is_repeated());
        }
    }

    #[test]
    fn pauses_differ_from_one_to_another() {
        let pause = |seed| Reconnect::default().fail(&mut Random::new(seed));
        assert_ne!(pause(1), pause(2));
    }
}
