//! What every part of the machine works with while it deals with an event.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::detector::{Verdict, WatchRule};
use super::event::{Action, Heartbeat};
use super::outbox::Outbox;
use super::storage::Storage;
use super::timers::{Place, Timers};
use crate::base::random::Random;
use crate::base::time::Moment;
use crate::control::durable::DurableInstance;
use crate::provider::{Instance, InstanceId};

/// The moment, and what is common to all services.
#[derive(Debug)]
pub(super) struct Context {
    /// When the event happened.
    pub(super) now: Moment,
    /// Jitter, and choices among equals.
    pub(super) random: Random,
    /// What is to be done.
    pub(super) outbox: Outbox,
    /// When to look at which replica.
    pub(super) timers: Timers,
    /// What is to be durable.
    pub(super) storage: Storage,
    /// Where each instance is kept.
    pub(super) places: BTreeMap<InstanceId, Place>,
    /// What waiting calls want to know.
    pub(super) milestones: Vec<Milestone>,
    /// Replicas of which a start has begun and was not reported.
    pub(super) beginning: BTreeSet<Place>,
    /// Replicas that start when there are fewer of those.
    pub(super) queue: BTreeSet<Place>,
    /// Nothing is started any more.
    pub(super) stopping: bool,
}

/// Something that a call may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Milestone {
    /// A replica is active.
    Active(Place),
    /// A replica is gone.
    Gone(Place),
}

impl Context {
    /// Nothing has happened yet.
    pub(super) fn new(storage: Storage, seed: u64, now: Moment) -> Self {
        Context {
            now,
            random: Random::new(seed),
            outbox: Outbox::default(),
            timers: Timers::default(),
            storage,
            places: BTreeMap::new(),
            milestones: Vec::new(),
            beginning: BTreeSet::new(),
            queue: BTreeSet::new(),
            stopping: false,
        }
    }

    /// The number of a new instance of the replica at `place`.
    pub(super) fn draw(&mut self, place: Place) -> InstanceId {
        let id = self.storage.draw();
        self.places.insert(id, place);
        id
    }

    /// Looks for an instance of an earlier process.
    pub(super) fn adopt(&mut self, service: &str, listed: &DurableInstance) {
        let DurableInstance { id, name, intent, record } = listed.clone();
        let instance = Instance { id, service: service.into(), name, intent };
        self.outbox.push(Action::Adopt { instance, record });
    }

    /// Sends a heartbeat.
    pub(super) fn beat(&mut self, id: InstanceId, address: SocketAddr, rule: &WatchRule) {
        let (probe, timeout) = (rule.probe.clone(), rule.timeout);
        self.outbox.push(Action::Heartbeat { id, address, probe, timeout });
    }

    /// Does what the outcome of a heartbeat of a replica that serves asks for.
    pub(super) fn judge(&mut self, verdict: Verdict, beat: &Heartbeat, service: &str, replica: &str) {
        let set_health = |up| Action::SetHealth { id: beat.id, up };
        match verdict {
            Verdict::Unchanged => {}
            Verdict::Unreachable => {
                self.outbox.log(true, service, replica, format!("cannot be reached: {}", beat.reason));
            }
            Verdict::Silent => {
                self.outbox.push(set_health(false));
                self.outbox.log(
                    true,
                    service,
                    replica,
                    format!("does not answer heartbeats: {}", beat.reason),
                );
            }
            Verdict::Up { was_down } => {
                self.outbox.push(set_health(true));
                if was_down {
                    self.outbox.log(false, service, replica, "answers again".to_owned());
                }
            }
        }
    }
}
