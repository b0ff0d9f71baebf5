//! What has to be durable, what is on its way there, and what waits for it.

use std::time::Duration;

use super::event::Action;
use super::timers::Place;
use crate::base::time::Moment;
use crate::control::durable::{DurableInstance, DurableMember, DurableService, DurableState};
use crate::provider::{InstanceId, Record};

/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// The durable state as it should be. One version of it is on its way at a time; what changes meanwhile goes with the
/// next, so that a thousand starts cost a few writes.
#[derive(Debug)]
pub(super) struct Storage {
    state: DurableState,
    version: u64,
    in_flight: bool,
    changed: bool,
    retry_at: Option<Moment>,
    fault: Option<String>,
    /// Instances that may start when what holds their intents is durable: of the next version, and of that on its way.
    starts: Vec<Start>,
    starts_in_flight: Vec<Start>,
}

/// An instance that waits for its intent to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) place: Place,
    pub(super) id: InstanceId,
}

/// What the end of a write means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// It was of an older version.
    Stale,
    /// All up to this version is durable; these may start.
    Stored(Vec<Start>),
    /// The file holds what it held before.
    Failed(String),
}

impl Storage {
    /// From what an earlier process left. Numbers of instances go on above all that it knows.
    pub(super) fn new(mut state: DurableState) -> Self {
        let listed = state.services.values().flat_map(|service| &service.instances);
        let above = listed.map(|instance| instance.id.0.saturating_add(1)).max().unwrap_or(1);
        state.next_instance = state.next_instance.max(above).max(1);
        Storage {
            state,
            version: 0,
            in_flight: false,
            changed: false,
            retry_at: None,
            fault: None,
            starts: Vec::new(),
            starts_in_flight: Vec::new(),
        }
    }

    /// The state as it should be.
    pub(super) fn state(&self) -> &DurableState {
        &self.state
    }

    /// The number of a new instance.
    pub(super) fn draw(&mut self) -> InstanceId {
        let id = InstanceId(self.state.next_instance);
        self.state.next_instance += 1;
        id
    }

    /// The members of a service.
    pub(super) fn members(&self, service: &str) -> &[DurableMember] {
        self.state.services.get(service).map_or(&[], |service| &service.members)
    }

    /// Sets the members of a service, and the count that they began from.
    pub(super) fn set_members(&mut self, service: &str, count: u64, members: &[DurableMember]) {
        let known = self.state.services.get(service);
        if known.is_none_or(|known| known.count != count || known.members != members) {
            let service = self.service(service);
            service.count = count;
            service.members = members.to_vec();
        }
    }

    /// A change of members that was proposed is durable: it is no proposal any more.
    pub(super) fn commit_members(&mut self, service: &str, members: &[DurableMember]) {
        if let Some(service) = self.state.services.get_mut(service) {
            service.members = members.to_vec();
        }
    }

    /// A service is not in the configuration any more: it has no members, and lasts while its instances do. Should it come
    /// back before that, it begins from its count again.
    pub(super) fn leave(&mut self, service: &str) {
        let Some(known) = self.state.services.get_mut(service) else { return };
        self.changed |= known.count > 0 || !known.members.is_empty();
        known.count = 0;
        known.members.clear();
        if known.instances.is_empty() {
            self.forget(service);
        }
    }

    /// Lists an instance as one that may be running once this is durable.
    pub(super) fn list(&mut self, service: &str, instance: DurableInstance, place: Place) {
        self.starts.push(Start { place, id: instance.id });
        self.service(service).instances.push(instance);
    }

    /// Notes how an instance is recognized.
    pub(super) fn record(&mut self, service: &str, id: InstanceId, record: Record) {
        let instances = self.state.services.get_mut(service).map(|service| &mut service.instances);
        let found = instances.and_then(|instances| instances.iter_mut().find(|instance| instance.id == id));
        if let Some(instance) = found.filter(|instance| instance.record.as_ref() != Some(&record)) {
            instance.record = Some(record);
            self.changed = true;
        }
    }

    /// Takes an instance out of the list: it ended, or was never started.
    pub(super) fn unlist(&mut self, service: &str, id: InstanceId) {
        self.starts.retain(|start| start.id != id);
        self.starts_in_flight.retain(|start| start.id != id);
        if let Some(service) = self.state.services.get_mut(service) {
            let listed = service.instances.len();
            service.instances.retain(|instance| instance.id != id);
            self.changed |= service.instances.len() != listed;
        }
    }

    /// Forgets a service of which nothing is left.
    pub(super) fn forget(&mut self, service: &str) {
        self.changed |= self.state.services.remove(service).is_some();
    }

    fn service(&mut self, service: &str) -> &mut DurableService {
        self.changed = true;
        self.state.services.entry(service.into()).or_default()
    }

    /// The next write, if there is something to write and nothing on its way. `proposal` is a change of members that is
    /// made only when it is durable; with a new one the pause after a failure is not waited for.
    pub(super) fn flush(
        &mut self,
        proposal: Option<(&str, &[DurableMember])>,
        hurry: bool,
        now: Moment,
    ) -> Option<Action> {
        let is_paused = self.retry_at.is_some_and(|at| now < at);
        let wanted = hurry || (self.changed && !is_paused);
        if self.in_flight || !wanted {
            return None;
        }
        let mut state = self.state.clone();
        if let Some((service, members)) = proposal {
            state.services.entry(service.into()).or_default().members = members.to_vec();
        }
        self.version += 1;
        self.in_flight = true;
        self.changed = false;
        self.starts_in_flight.append(&mut self.starts);
        Some(Action::Persist { version: self.version, state })
    }

    /// A write is over.
    pub(super) fn conclude(&mut self, version: u64, result: Result<(), String>, now: Moment) -> Conclusion {
        if !self.in_flight || version < self.version {
            return Conclusion::Stale;
        }
        self.in_flight = false;
        let starts = std::mem::take(&mut self.starts_in_flight);
        match result {
            Ok(()) => {
                self.fault = None;
                self.retry_at = None;
                Conclusion::Stored(starts)
            }
            Err(fault) => {
                self.starts.splice(0..0, starts);
                // Also where only a proposal failed: whatever the file holds now, it shall hold what is true.
                self.changed = true;
                self.retry_at = Some(now + RETRY);
                self.fault = Some(fault.clone());
                Conclusion::Failed(fault)
            }
        }
    }

    /// When a write is tried again.
    pub(super) fn deadline(&self) -> Moment {
        self.retry_at.filter(|_| self.changed && !self.in_flight).unwrap_or(Moment::NEVER)
    }

    /// The version that was written last or is on its way.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether a write is on its way.
    pub(super) fn is_writing(&self) -> bool {
        self.in_flight
    }

    /// Whether something is not durable yet.
    pub(super) fn is_behind(&self) -> bool {
        self.changed || self.in_flight
    }

    /// Why the last write failed, if it did.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{IntendedPlace, Intent};

    fn at(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    fn intended(storage: &mut Storage) -> Start {
        let start = Start { place: Place { service: 0, replica: 0 }, id: storage.draw() };
        let intent = Intent { nonce: "0".into(), place: IntendedPlace::Process { port: 1 } };
        let name = "a".parse().unwrap();
        storage.list("web", DurableInstance { id: start.id, name, intent, record: None }, start.place);
        start
    }

    fn flush(storage: &mut Storage, millis: u64) -> Option<(u64, usize)> {
        storage.flush(None, false, at(millis)).map(|action| match action {
            Action::Persist { version, state } => (version, state.services["web"].instances.len()),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn what_comes_while_a_version_is_written_goes_with_the_next() {
        let mut storage = Storage::new(DurableState::default());
        assert_eq!(flush(&mut storage, 0), None, "nothing has changed");
        let first = intended(&mut storage);
        assert_eq!(flush(&mut storage, 0), Some((1, 1)));
        let (second, third) = (intended(&mut storage), intended(&mut storage));
        assert_eq!(flush(&mut storage, 0), None, "one at a time");
        assert_eq!(storage.conclude(0, Ok(()), at(0)), Conclusion::Stale);
        assert_eq!(storage.conclude(1, Ok(()), at(0)), Conclusion::Stored(vec![first]));
        assert_eq!(flush(&mut storage, 0), Some((2, 3)));
        assert_eq!(storage.conclude(9, Ok(()), at(0)), Conclusion::Stored(vec![second, third]));
        assert_eq!(storage.conclude(9, Ok(()), at(0)), Conclusion::Stale);
        assert!(!storage.is_behind());
    }

    #[test]
    fn a_failure_starts_nothing_and_is_tried_again_with_all_that_came_since() {
        let mut storage = Storage::new(DurableState::default());
        let first = intended(&mut storage);
        flush(&mut storage, 0);
        let second = intended(&mut storage);
        assert_eq!(storage.conclude(1, Err("full".into()), at(10)), Conclusion::Failed("full".into()));
        assert_eq!((storage.fault(), storage.deadline()), (Some("full"), at(1_010)));
        assert_eq!(flush(&mut storage, 1_009), None);
        assert_eq!(flush(&mut storage, 1_010), Some((2, 2)));
        assert_eq!(storage.conclude(2, Ok(()), at(1_010)), Conclusion::Stored(vec![first, second]));
        assert_eq!((storage.fault(), storage.deadline()), (None, Moment::NEVER));
    }

    #[test]
    fn a_proposal_is_written_at_once_and_becomes_true_by_itself_only() {
        let mut storage = Storage::new(DurableState::default());
        storage.set_members("web", 0, &[]);
        flush(&mut storage, 0);
        storage.conclude(1, Err("full".into()), at(0));
        let members = [DurableMember { name: "a".parse().unwrap(), ordinal: 1 }];
        let Some(Action::Persist { state, .. }) = storage.flush(Some(("web", &members)), true, at(1)) else {
            panic!("it does not wait for the pause");
        };
        assert_eq!(state.services["web"].members, members);
        assert!(storage.members("web").is_empty());
        storage.conclude(2, Ok(()), at(1));
        storage.commit_members("web", &members);
        assert_eq!((storage.members("web"), storage.is_behind()), (&members[..], false));
    }
}
