//! What others are told of a replica: cores by the snapshot, operators by the view.

use super::{Replica, Rules, Stage};
use crate::base::time::Moment;
use crate::control::machine::detector::Standing;
use crate::control::view::{ReplicaState, ReplicaView};
use crate::placement::ReplicaSpec;

impl Replica {
    /// What the snapshot shall say of it.
    pub(in crate::control::machine) fn spec(&self) -> ReplicaSpec {
        ReplicaSpec {
            name: self.name.as_str().into(),
            ordinal: self.ordinal,
            incarnation: self.published.map_or(self.incarnation, |(id, _)| id.0),
            address: self.published.map(|(_, address)| address),
            weight: 1,
        }
    }

    /// For the operator's eyes.
    pub(in crate::control::machine) fn view(&self, rules: &Rules, now: Moment) -> ReplicaView {
        let running = match &self.stage {
            Stage::Starting { running, .. }
            | Stage::Active { running, .. }
            | Stage::Stopping { running, .. } => Some(running),
            _ => None,
        };
        ReplicaView {
            name: self.name.as_str().into(),
            ordinal: self.ordinal,
            incarnation: self.incarnation,
            state: self.state(rules),
            member: self.member,
            address: running.map(|running| running.address),
            runs_as: running.map(|running| running.runs_as),
            restarts: self.starts.saturating_sub(1),
            missed_heartbeats: match &self.stage {
                Stage::Active { detector, .. } => detector.misses(),
                _ => 0,
            },
            next_start_ms: match &self.stage {
                Stage::Waiting { until } => u64::try_from(until.since(now).as_millis()).ok(),
                _ => None,
            },
            last_failure: self.last_failure.clone(),
        }
    }

    fn state(&self, rules: &Rules) -> ReplicaState {
        match &self.stage {
            Stage::Waiting { .. } | Stage::Queued if self.backoff.is_crash_loop(&rules.supervision) => {
                ReplicaState::CrashLoop
            }
            Stage::Waiting { .. } | Stage::Queued
                if self.backoff.failures().max(self.backoff.refusals()) > 0 =>
            {
                ReplicaState::Waiting
            }
            Stage::Active { detector, .. } => state_of(detector.standing(&rules.watch)),
            Stage::Stopping { stop, .. } if stop.is_draining() => ReplicaState::Draining,
            Stage::Stopping { .. } | Stage::Gone => ReplicaState::Stopping,
            _ => ReplicaState::Starting,
        }
    }
}

/// The word for a replica that serves.
pub(in crate::control::machine) fn state_of(standing: Standing) -> ReplicaState {
    match standing {
        Standing::Alive => ReplicaState::Active,
        Standing::Suspect => ReplicaState::Suspect,
        Standing::Down => ReplicaState::Down,
    }
}
