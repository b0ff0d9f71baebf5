//! An instance's way out: what is under way finishes, the instance is asked, and then forced.

use std::time::Duration;

use crate::base::time::Moment;
use crate::provider::Ending;

/// Between repeated kills of an instance that has not ended yet.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// A stop that has begun. It only ever goes forward, and lasts until the provider reports the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    step: Step,
    stop_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// No request begins on it any more; those under way may finish.
    Draining { until: Moment },
    /// It was asked to end.
    Asked { until: Moment },
    /// It was forced to.
    Killed { again: Moment },
}

impl Stop {
    /// Begins with waiting until nothing is under way on the instance.
    pub(super) fn drain(drain: Duration, stop_timeout: Duration, now: Moment) -> Self {
        Stop { step: Step::Draining { until: now + drain }, stop_timeout }
    }

    /// Begins with asking.
    pub(super) fn ask(stop_timeout: Duration, now: Moment) -> (Self, Ending) {
        (Stop { step: Step::Asked { until: now + stop_timeout }, stop_timeout }, Ending::Ask)
    }

    /// Begins with force.
    pub(super) fn kill(now: Moment) -> (Self, Ending) {
        (Stop { step: Step::Killed { again: now + KILL_AGAIN }, stop_timeout: Duration::ZERO }, Ending::Kill)
    }

    /// Nothing is under way on it, or what is shall not be waited for any longer.
    pub(super) fn idle(&mut self, now: Moment) -> Option<Ending> {
        matches!(self.step, Step::Draining { .. }).then(|| {
            self.step = Step::Asked { until: now + self.stop_timeout };
            Ending::Ask
        })
    }

    /// Takes the next step if its time has come.
    pub(super) fn advance(&mut self, now: Moment) -> Option<Ending> {
        if now < self.deadline() {
            return None;
        }
        if self.is_draining() {
            return self.idle(now);
        }
        self.step = Step::Killed { again: now + KILL_AGAIN };
        Some(Ending::Kill)
    }

    /// When [`Stop::advance`] has something to do.
    pub(super) fn deadline(&self) -> Moment {
        match self.step {
            Step::Draining { until } | Step::Asked { until } => until,
            Step::Killed { again } => again,
        }
    }

    /// Whether it still waits for what is under way.
    pub(super) fn is_draining(&self) -> bool {
        matches!(self.step, Step::Draining { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    fn begun() -> Stop {
        Stop::drain(Duration::from_millis(300), Duration::from_millis(100), at(0))
    }

    #[test]
    fn it_drains_asks_kills_and_kills_again() {
        let mut stop = begun();
        let steps = [
            (299, None),
            (300, Some(Ending::Ask)),
            (399, None),
            (400, Some(Ending::Kill)),
            (1_399, None),
            (1_400, Some(Ending::Kill)),
            (2_400, Some(Ending::Kill)),
        ];
        for (millis, ending) in steps {
            assert_eq!(stop.advance(at(millis)), ending, "at {millis} ms");
        }
    }

    #[test]
    fn an_idle_instance_is_asked_at_once_and_only_once() {
        let mut stop = begun();
        assert_eq!(stop.idle(at(10)), Some(Ending::Ask));
        assert!(!stop.is_draining());
        assert_eq!(stop.idle(at(20)), None);
        assert_eq!(stop.deadline(), at(110));
        assert_eq!(stop.advance(at(110)), Some(Ending::Kill));
        assert_eq!(stop.idle(at(120)), None);
    }

    #[test]
    fn a_stop_may_begin_later_on_the_way() {
        let (mut asked, ending) = Stop::ask(Duration::from_millis(100), at(0));
        assert_eq!(
            (ending, asked.advance(at(99)), asked.advance(at(100))),
            (Ending::Ask, None, Some(Ending::Kill))
        );
        let (mut killed, ending) = Stop::kill(at(0));
        assert_eq!(
            (ending, killed.advance(at(999)), killed.advance(at(1_000))),
            (Ending::Kill, None, Some(Ending::Kill))
        );
    }
}
