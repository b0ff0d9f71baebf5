//! When to look again at replicas that the cores found unreachable. Pure: events and `now` in, replicas to probe out.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::time::Moment;
use crate::placement::ReplicaId;

/// The pause before the first probe, and between probes at first.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause between probes.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The replicas that are down, and when each is probed next.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    down: HashMap<ReplicaId, Attempt, ahash::RandomState>,
}

#[derive(Debug)]
struct Attempt {
    next: Moment,
    pause: Duration,
    under_way: bool,
}

impl Recovery {
    /// Notes that a replica's health bit is cleared. Returns whether that is news.
    pub(super) fn note_down(&mut self, id: ReplicaId, now: Moment) -> bool {
        let is_news = !self.down.contains_key(&id);
        if is_news {
            self.down.insert(id, Attempt { next: now + PAUSE_MIN, pause: PAUSE_MIN, under_way: false });
        }
        is_news
    }

    /// The replicas to probe now. Each is reported once, until [`Recovery::note_probe`] says how that went.
    pub(super) fn due(&mut self, now: Moment) -> Vec<ReplicaId> {
        let due = self.down.iter_mut().filter(|(_, attempt)| !attempt.under_way && attempt.next <= now);
        let mut ids: Vec<ReplicaId> = due
            .map(|(&id, attempt)| {
                attempt.under_way = true;
                id
            })
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Notes how a probe went. A replica that answered is not down any more; another is probed again after a pause that
    /// doubles.
    pub(super) fn note_probe(&mut self, id: ReplicaId, answered: bool, now: Moment) {
        if answered {
            self.down.remove(&id);
        } else if let Some(attempt) = self.down.get_mut(&id) {
            attempt.pause = (attempt.pause * 2).min(PAUSE_MAX);
            attempt.next = now + attempt.pause;
            attempt.under_way = false;
        }
    }

    /// Forgets replicas that are gone.
    pub(super) fn retain(&mut self, exists: impl Fn(ReplicaId) -> bool) {
        self.down.retain(|&id, _| exists(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    #[test]
    fn a_replica_is_probed_with_growing_pauses_until_it_answers() {
        let mut recovery = Recovery::default();
        let id = ReplicaId(7);
        assert!(recovery.note_down(id, after(0)));
        assert!(!recovery.note_down(id, after(1)), "known already");
        assert!(recovery.due(after(99)).is_empty());
        assert_eq!(recovery.due(after(100)), [id]);
        assert!(recovery.due(after(5_000)).is_empty(), "the probe is under way");
        recovery.note_probe(id, false, after(200));
        assert!(recovery.due(after(399)).is_empty());
        assert_eq!(recovery.due(after(400)), [id]);
        recovery.note_probe(id, true, after(400));
        assert!(recovery.due(after(60_000)).is_empty());
        assert!(recovery.note_down(id, after(60_000)), "down anew");
    }

    #[test]
    fn pauses_are_bounded_and_the_gone_are_forgotten() {
        let mut recovery = Recovery::default();
        let id = ReplicaId(1);
        recovery.note_down(id, after(0));
        let mut now = after(0) + PAUSE_MAX;
        for _ in 0..20 {
            assert_eq!(recovery.due(now), [id]);
            recovery.note_probe(id, false, now);
            now = now + PAUSE_MAX;
        }
        recovery.retain(|_| false);
        assert!(recovery.due(now).is_empty());
    }
}
