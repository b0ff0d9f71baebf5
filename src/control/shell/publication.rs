//! From the machine's members to what the cores read, and when the cores have let go of a replica.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::mailbox::CoreMessage;
use crate::control::Shared;
use crate::control::machine::event::Members;
use crate::control::specs::CONTROL_INCARNATION;
use crate::placement::{PlacementError, Published, Replica, ServiceSpec, Snapshot};
use crate::provider::InstanceId;

/// The writing side of the snapshot, and the replicas that cores may still use.
#[derive(Debug)]
pub(super) struct Publication {
    published: Published,
    shared: Arc<Shared>,
    /// The services without their members; those that the machine does not know keep the replicas that they have here.
    services: Vec<ServiceSpec>,
    /// The replicas that were published with an address, by instance, until that has ended.
    routed: HashMap<InstanceId, Routed, ahash::RandomState>,
    awaited: Vec<Awaited>,
}

#[derive(Debug)]
struct Routed {
    replica: Arc<Replica>,
    /// What the machine wants the health bit to be; a core may have cleared it meanwhile.
    up: bool,
}

#[derive(Debug)]
struct Awaited {
    id: InstanceId,
    replica: Arc<Replica>,
    generation: u64,
}

impl Publication {
    pub(super) fn new(published: Published, shared: Arc<Shared>, services: Vec<ServiceSpec>) -> Self {
        let current = published.current();
        let mut publication =
            Publication { published, shared, services, routed: HashMap::default(), awaited: Vec::new() };
        publication.note_routed(&current);
        publication
    }

    /// Hands the members to all cores at once.
    ///
    /// # Errors
    /// When a placement does not take them; then the old snapshot stays. The machine asks the placement before it
    /// changes a membership.
    pub(super) fn publish(&mut self, members: Vec<Members>) -> Result<u64, PlacementError> {
        let next = Snapshot::build(with_members(&self.services, members), Some(&self.published.current()))?;
        let current = self.published.publish(next);
        self.note_routed(&current);
        self.shared.tell_all(&CoreMessage::Refresh);
        Ok(current.generation)
    }

    fn note_routed(&mut self, current: &Snapshot) {
        for replica in current.services.iter().flat_map(|service| &service.replicas) {
            let id = InstanceId(replica.incarnation);
            let known = self.routed.get(&id).is_some_and(|routed| Arc::ptr_eq(&routed.replica, replica));
            if replica.address.is_some() && !known {
                self.routed.insert(id, Routed { replica: replica.clone(), up: true });
            }
        }
    }

    pub(super) fn set_health(&mut self, id: InstanceId, up: bool) {
        let Some(routed) = self.routed.get_mut(&id) else { return };
        routed.up = up;
        if up {
            routed.replica.health.set();
        } else {
            routed.replica.health.clear();
        }
    }

    /// The answers that clients had from an instance so far.
    pub(super) fn answers(&self, id: InstanceId) -> u64 {
        self.routed.get(&id).map_or(0, |routed| routed.replica.counts.sum(|counts| &counts.answers))
    }

    /// Instances whose health bit a core has cleared since the last look. Each is told once, until the machine sets the
    /// bit again: an observation may have been dropped, a cleared bit stays to be found.
    pub(super) fn cleared_by_cores(&mut self) -> Vec<InstanceId> {
        // The admin listener lives as long as this thread: a connection that it refused says nothing of the next one.
        if let Some(admin) = self.routed.get(&InstanceId(CONTROL_INCARNATION)) {
            admin.replica.health.set();
        }
        let cleared =
            self.routed.iter_mut().filter(|(_, routed)| routed.up && !routed.replica.health.is_up());
        cleared
            .map(|(&id, routed)| {
                routed.up = false;
                id
            })
            .collect()
    }

    /// Watches for the moment from which no core uses an instance that the newest snapshot does not route to.
    pub(super) fn await_idle(&mut self, id: InstanceId) -> Option<InstanceId> {
        let Some(routed) = self.routed.get(&id) else { return Some(id) };
        let generation = self.published.current().generation;
        self.awaited.push(Awaited { id, replica: routed.replica.clone(), generation });
        None
    }

    /// Whether somebody waits for an instance to be idle.
    pub(super) fn awaits(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// The awaited instances that no core uses any more.
    ///
    /// A core raises `in_flight` in the same step in which it picks, and its oldest generation rises only when every
    /// pick of an older one is over or counted. So once the oldest generation has come to that of the removal, a pick of
    /// the instance is in the count or did not happen; the generation has to be read first.
    pub(super) fn idle(&mut self) -> Vec<InstanceId> {
        let cores = &self.shared.cores;
        let oldest =
            cores.iter().map(|core| core.counters.oldest_generation.value()).min().unwrap_or(u64::MAX);
        let is_idle = |awaited: &Awaited| {
            oldest >= awaited.generation && awaited.replica.counts.sum(|counts| &counts.in_flight) == 0
        };
        let idle = self.awaited.iter().filter(|awaited| is_idle(awaited)).map(|awaited| awaited.id).collect();
        self.awaited.retain(|awaited| !is_idle(awaited));
        idle
    }

    /// An instance is gone.
    pub(super) fn forget(&mut self, id: InstanceId) {
        self.routed.remove(&id);
        self.awaited.retain(|awaited| awaited.id != id);
    }
}

/// The services with their members. One that the machine does not know keeps the replicas that it has.
pub fn with_members(services: &[ServiceSpec], members: Vec<Members>) -> Vec<ServiceSpec> {
    let mut specs = services.to_vec();
    for Members { service, replicas } in members {
        if let Some(spec) = specs.iter_mut().find(|spec| spec.name == service) {
            spec.replicas = replicas;
        }
    }
    specs
}
