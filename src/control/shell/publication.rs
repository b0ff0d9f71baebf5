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
    /// The replicas that were published with an address, by instance, until that has ended and no newer snapshot has it.
    routed: HashMap<InstanceId, Routed, ahash::RandomState>,
    awaited: Vec<Awaited>,
}

#[derive(Debug)]
struct Routed {
    replica: Arc<Replica>,
    /// What the machine wants the health bit to be; a core may have cleared it meanwhile.
    up: bool,
    /// Whether the newest snapshot has it.
    published: bool,
    /// Whether nothing of it runs any more. One that died stays published, with its bit cleared, until another serves.
    ended: bool,
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
        self.routed.values_mut().for_each(|routed| routed.published = false);
        for replica in current.services.iter().flat_map(|service| &service.replicas) {
            if replica.address.is_some() {
                let routed = self.routed.entry(InstanceId(replica.incarnation)).or_insert_with(|| Routed {
                    replica: replica.clone(),
                    up: true,
                    published: false,
                    ended: false,
                });
                // The same instance after a while without its address is another value, with a bit of its own.
                if !Arc::ptr_eq(&routed.replica, replica) {
                    (routed.replica, routed.up) = (replica.clone(), true);
                }
                routed.published = true;
            }
        }
        self.routed.retain(|_, routed| routed.published || !routed.ended);
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
    /// A core raises `in_flight` in the same step in which it takes up the newest generation and picks. So once its
    /// generation has come to that of the removal, a pick of the instance is in the count or did not happen; the
    /// generation has to be read first.
    pub(super) fn idle(&mut self) -> Vec<InstanceId> {
        let cores = &self.shared.cores;
        let oldest = cores.iter().map(|core| core.counters.generation.value()).min().unwrap_or(u64::MAX);
        let is_idle = |awaited: &Awaited| {
            oldest >= awaited.generation && awaited.replica.counts.sum(|counts| &counts.in_flight) == 0
        };
        let idle = self.awaited.iter().filter(|awaited| is_idle(awaited)).map(|awaited| awaited.id).collect();
        self.awaited.retain(|awaited| !is_idle(awaited));
        idle
    }

    /// Nothing of an instance runs any more.
    pub(super) fn ended(&mut self, id: InstanceId) {
        self.awaited.retain(|awaited| awaited.id != id);
        if let Some(routed) = self.routed.get_mut(&id) {
            routed.ended = true;
            if !routed.published {
                self.routed.remove(&id);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{CoreLink, RunInfo};
    use crate::placement::ReplicaSpec;

    const OLD: InstanceId = InstanceId(7);
    const NEW: InstanceId = InstanceId(9);

    /// The members of the only service: one replica, which is served by this instance if there is one.
    fn served_by(id: Option<InstanceId>) -> Vec<Members> {
        let replica = ReplicaSpec {
            name: "a".into(),
            ordinal: 1,
            incarnation: id.map_or(0, |id| id.0),
            address: id.map(|id| ([127, 0, 0, 1], id.0 as u16).into()),
            weight: 1,
        };
        vec![Members { service: "web".into(), replicas: vec![replica] }]
    }

    /// One core, and a snapshot in which the old instance serves.
    fn publication() -> Publication {
        let services = vec![ServiceSpec::named("web")];
        let snapshot =
            Snapshot::build(with_members(&services, served_by(Some(OLD))), Some(&Snapshot::empty(1)));
        let published = Published::new(snapshot.unwrap());
        let info = RunInfo { engine: "none", descriptors_max: 0, connections_max: 0, listen: Box::default() };
        let shared = Shared::new(info, vec![CoreLink::default()].into(), published.reader());
        Publication::new(published, Arc::new(shared), services)
    }

    fn replica(publication: &Publication) -> Arc<Replica> {
        publication.published.current().services[0].replicas[0].clone()
    }

    #[test]
    fn an_instance_that_has_ended_can_be_taken_out_while_it_is_published() {
        let mut publication = publication();
        publication.ended(OLD);
        publication.set_health(OLD, false);
        assert!(!replica(&publication).health.is_up());
    }

    #[test]
    fn an_instance_is_known_until_it_has_ended_and_is_not_published() {
        let mut publication = publication();
        for _ in 0..2 {
            publication.ended(OLD);
            publication.set_health(OLD, false);
            publication.publish(served_by(Some(OLD))).unwrap();
        }
        assert!(publication.cleared_by_cores().is_empty(), "the machine knows of it");
        publication.publish(served_by(Some(NEW))).unwrap();
        assert_eq!(publication.routed.keys().collect::<Vec<_>>(), [&NEW]);
        publication.publish(served_by(None)).unwrap();
        assert!(publication.routed.contains_key(&NEW), "a core may still use it");
        publication.ended(NEW);
        assert!(publication.routed.is_empty());
    }

    #[test]
    fn a_bit_that_a_core_cleared_is_told_once_until_it_is_set_again() {
        let mut publication = publication();
        for _ in 0..2 {
            replica(&publication).health.clear();
            assert_eq!(publication.cleared_by_cores(), [OLD]);
            assert_eq!(publication.cleared_by_cores(), []);
            publication.set_health(OLD, true);
        }
        let old = replica(&publication);
        publication.publish(served_by(Some(NEW))).unwrap();
        old.health.clear();
        assert_eq!(publication.cleared_by_cores(), [OLD], "and not the one that serves now");
        assert!(replica(&publication).health.is_up());
    }

    #[test]
    fn an_instance_that_is_routed_again_is_reached_by_its_new_bit() {
        let mut publication = publication();
        publication.set_health(OLD, false);
        publication.publish(served_by(None)).unwrap();
        publication.publish(served_by(Some(OLD))).unwrap();
        assert!(replica(&publication).health.is_up());
        publication.set_health(OLD, false);
        assert!(!replica(&publication).health.is_up());
    }

    #[test]
    fn an_instance_is_idle_when_no_core_holds_an_older_snapshot_and_nothing_is_under_way() {
        let mut publication = publication();
        let core = publication.shared.cores[0].counters.clone();
        let old = replica(&publication);
        core.generation.set(publication.published.current().generation);
        old.counts.of_core(0).in_flight.set(1);
        let generation = publication.publish(served_by(None)).unwrap();
        assert_eq!(publication.await_idle(OLD), None);
        assert!(publication.idle().is_empty(), "it may still be picked");
        core.generation.set(generation);
        assert!(publication.idle().is_empty(), "a request is under way");
        old.counts.of_core(0).in_flight.set(0);
        assert_eq!(publication.idle(), [OLD]);
        assert!(!publication.awaits() && publication.idle().is_empty());
    }

    #[test]
    fn an_instance_that_no_core_ever_saw_is_idle_at_once_and_one_that_ended_is_awaited_no_more() {
        let mut publication = publication();
        assert_eq!(publication.await_idle(NEW), Some(NEW));
        publication.publish(served_by(None)).unwrap();
        assert_eq!((publication.await_idle(OLD), publication.await_idle(OLD)), (None, None));
        publication.ended(OLD);
        assert!(!publication.awaits() && publication.routed.is_empty());
    }
}
