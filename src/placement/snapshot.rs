//! All that a core needs to place a request, as one immutable value.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::base::algorithm::{Algorithm, BoundedLoad};
use crate::base::health::HealthBit;
use crate::base::key_source::{Fallback, KeySource};
use crate::base::policy::{PoolLimits, RetryPolicy, Timeouts};
use crate::base::replica_counts::ReplicaCounts;
use crate::base::route_match::RouteMatch;

use super::hash::{KeyHash, KeyHasher};
use super::route::{RouteRule, RouteTable};
use super::table::{Member, Table, TableError};

/// Services, placements, addresses and health bits of one generation. Only the health bits ever change in it.
#[derive(Debug)]
pub struct Snapshot {
    /// 1 for the first, then one more for each.
    pub generation: u64,
    /// The services, in the order in which they were specified.
    pub services: Box<[Arc<Service>]>,
    routes: RouteTable,
    /// How many replica ids this snapshot and those before it have given away.
    replica_ids: u64,
    /// How many cores count what they do with a replica.
    cores: usize,
}

/// One service, ready to serve.
#[derive(Debug)]
pub struct Service {
    /// Its name, unique in the snapshot.
    pub name: Box<str>,
    /// The requests that it answers.
    pub route: RouteRule,
    /// Where a request's key is read from, in order.
    pub keys: Box<[KeySource]>,
    /// What becomes of a request without any of them.
    pub fallback: Fallback,
    /// How keys are spread over the replicas.
    pub algorithm: Algorithm,
    /// Whether a replica with more than its share passes requests on.
    pub bounded_load: Option<BoundedLoad>,
    /// Time-outs of the upstream side.
    pub timeouts: Timeouts,
    /// Bounds of each replica's connections, over all cores.
    pub pool: PoolLimits,
    /// When a failed attempt is repeated.
    pub retries: RetryPolicy,
    /// The members, healthy or not.
    pub replicas: Box<[Arc<Replica>]>,
    table: Table,
}

/// One server. It lives on from snapshot to snapshot, health bit, counts and all, while its spec stays as it is.
#[derive(Debug)]
pub struct Replica {
    /// Tells it from every other replica of this process, past and present: what pools and counters are kept by.
    pub id: ReplicaId,
    /// The stable name that places it.
    pub name: Box<str>,
    /// The number that its name got once; from 1.
    pub ordinal: u32,
    /// Which of the servers of this name it is: a restarted one has another number, and shares nothing with the one before.
    pub incarnation: u64,
    /// Where it listens; `None` if it is a member that does not serve yet, or not any more.
    pub address: Option<SocketAddr>,
    /// Its share, relative to the others'.
    pub weight: u32,
    /// Whether it may be picked; begins as up where there is an address.
    pub health: HealthBit,
    /// What the cores count of it.
    pub counts: ReplicaCounts,
}

/// A number that is given to a replica once and never again within a chain of snapshots; they are dense from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

/// A service as it shall be; already valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name, unique among the specs.
    pub name: Box<str>,
    /// The requests that it answers.
    pub route: RouteRule,
    /// Where a request's key is read from, in order.
    pub keys: Box<[KeySource]>,
    /// What becomes of a request without any of them.
    pub fallback: Fallback,
    /// How keys are spread over the replicas.
    pub algorithm: Algorithm,
    /// Whether a replica with more than its share passes requests on.
    pub bounded_load: Option<BoundedLoad>,
    /// Time-outs of the upstream side.
    pub timeouts: Timeouts,
    /// Bounds of each replica's connections.
    pub pool: PoolLimits,
    /// When a failed attempt is repeated.
    pub retries: RetryPolicy,
    /// The members; names unique within the service.
    pub replicas: Vec<ReplicaSpec>,
}

/// A replica as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaSpec {
    /// The stable name that places it.
    pub name: Box<str>,
    /// The number that its name got once; from 1, unique within the service.
    pub ordinal: u32,
    /// Which of the servers of this name it is.
    pub incarnation: u64,
    /// Where it listens; `None`: a member that does not serve now.
    pub address: Option<SocketAddr>,
    /// Its share, relative to the others'; at least 1.
    pub weight: u32,
}

/// A service whose members its placement cannot take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("service '{service}': {fault}")]
pub struct PlacementError {
    /// The service's name.
    pub service: Box<str>,
    /// What is wrong.
    pub fault: TableError,
}

impl ServiceSpec {
    /// A service of every request, placed by path, with default policies and no replicas.
    pub fn named(name: &str) -> Self {
        ServiceSpec {
            name: name.into(),
            route: RouteRule::Match(RouteMatch::default()),
            keys: Box::new([KeySource::Path]),
            fallback: Fallback::default(),
            algorithm: Algorithm::default(),
            bounded_load: None,
            timeouts: Timeouts::default(),
            pool: PoolLimits::default(),
            retries: RetryPolicy::default(),
            replicas: Vec::new(),
        }
    }
}

impl Snapshot {
    /// A snapshot of generation 0 without services, for this many cores: what the first real one is built from.
    pub fn empty(cores: usize) -> Self {
        Snapshot {
            generation: 0,
            services: Box::default(),
            routes: RouteTable::default(),
            replica_ids: 0,
            cores,
        }
    }

    /// Compiles the next snapshot. From `previous` (none: an empty one for one core) it keeps each service that did not
    /// change at all, and each replica of the same service whose spec did not change. Costs a table for each service
    /// whose members changed.
    ///
    /// # Errors
    /// When a service's members do not fit its placement.
    pub fn build(specs: Vec<ServiceSpec>, previous: Option<&Snapshot>) -> Result<Self, PlacementError> {
        let cores = previous.map_or(1, |previous| previous.cores);
        let mut replica_ids = previous.map_or(0, |previous| previous.replica_ids);
        let routes = RouteTable::build(specs.iter().map(|spec| &spec.route));
        let services = specs
            .into_iter()
            .map(|spec| match previous.and_then(|previous| previous.service_named(&spec.name)) {
                Some(old) if old.is(&spec) => Ok(Arc::clone(old)),
                old => Service::build(spec, old.map(|old| &**old), &mut replica_ids, cores).map(Arc::new),
            })
            .collect::<Result<_, _>>()?;
        let generation = previous.map_or(1, |previous| previous.generation + 1);
        Ok(Snapshot { generation, services, routes, replica_ids, cores })
    }

    /// The service that answers a request, see [`RouteTable::find`].
    pub fn service_for(&self, host: &[u8], path: &[u8]) -> Option<&Arc<Service>> {
        self.service_index_for(host, path).map(|index| &self.services[index])
    }

    /// Where that service stands in [`Snapshot::services`].
    pub fn service_index_for(&self, host: &[u8], path: &[u8]) -> Option<usize> {
        self.routes.find(host, path)
    }

    /// The service of a name; compares all of them, so it is for control and not for the request path.
    pub fn service_named(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.iter().find(|service| &*service.name == name)
    }
}

impl Service {
    fn build(
        spec: ServiceSpec,
        old: Option<&Service>,
        replica_ids: &mut u64,
        cores: usize,
    ) -> Result<Self, PlacementError> {
        let members: Vec<_> = spec.replicas.iter().map(ReplicaSpec::member).collect();
        let table = match old {
            Some(old) if old.algorithm == spec.algorithm && old.members().eq(members.iter().copied()) => {
                old.table.clone()
            }
            _ => Table::build(&spec.algorithm, &members)
                .map_err(|fault| PlacementError { service: spec.name.clone(), fault })?,
        };
        Ok(Service {
            replicas: keep_or_make(spec.replicas, old, replica_ids, cores),
            table,
            name: spec.name,
            route: spec.route,
            keys: spec.keys,
            fallback: spec.fallback,
            algorithm: spec.algorithm,
            bounded_load: spec.bounded_load,
            timeouts: spec.timeouts,
            pool: spec.pool,
            retries: spec.retries,
        })
    }

    /// How a key's bytes become its hash here.
    pub fn hasher(&self) -> KeyHasher {
        self.table.hasher()
    }

    /// Every replica once, in the order in which a key tries them. Health is not looked at: whoever picks does that.
    pub fn candidates(&self, hash: KeyHash) -> impl Iterator<Item = &Arc<Replica>> {
        self.table.order(hash).map(|index| &self.replicas[usize::from(index)])
    }

    /// The compiled placement, to explain or compare it.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The members as the placement sees them.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.replicas.iter().map(|replica| Member {
            name: &replica.name,
            ordinal: replica.ordinal,
            weight: replica.weight,
        })
    }

    fn is(&self, spec: &ServiceSpec) -> bool {
        self.name == spec.name
            && self.route == spec.route
            && self.keys == spec.keys
            && self.fallback == spec.fallback
            && self.algorithm == spec.algorithm
            && self.bounded_load == spec.bounded_load
            && self.timeouts == spec.timeouts
            && self.pool == spec.pool
            && self.retries == spec.retries
            && self.replicas.len() == spec.replicas.len()
            && self.replicas.iter().zip(&spec.replicas).all(|(replica, spec)| replica.is(spec))
    }
}

impl Replica {
    fn is(&self, spec: &ReplicaSpec) -> bool {
        self.name == spec.name
            && self.ordinal == spec.ordinal
            && self.incarnation == spec.incarnation
            && self.address == spec.address
            && self.weight == spec.weight
    }
}

impl ReplicaSpec {
    /// The replica as placements see it.
    pub fn member(&self) -> Member<'_> {
        Member { name: &self.name, ordinal: self.ordinal, weight: self.weight }
    }
}

fn keep_or_make(
    specs: Vec<ReplicaSpec>,
    old: Option<&Service>,
    replica_ids: &mut u64,
    cores: usize,
) -> Box<[Arc<Replica>]> {
    let old: HashMap<&str, &Arc<Replica>, ahash::RandomState> =
        old.iter().flat_map(|old| &old.replicas).map(|replica| (&*replica.name, replica)).collect();
    let mut make = |spec: ReplicaSpec| {
        let id = ReplicaId(*replica_ids);
        *replica_ids += 1;
        let ReplicaSpec { name, ordinal, incarnation, address, weight } = spec;
        let (health, counts) = (HealthBit::new(), ReplicaCounts::new(cores));
        if address.is_none() {
            health.clear();
        }
        Arc::new(Replica { id, name, ordinal, incarnation, address, weight, health, counts })
    };
    let keep = |spec: ReplicaSpec| match old.get(&*spec.name) {
        Some(replica) if replica.is(&spec) => Arc::clone(replica),
        _ => make(spec),
    };
    specs.into_iter().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(name: &str, port: u16) -> ReplicaSpec {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        ReplicaSpec { name: name.into(), ordinal: 1, incarnation: 0, address, weight: 1 }
    }

    fn web(replicas: &[ReplicaSpec]) -> ServiceSpec {
        ServiceSpec { replicas: replicas.to_vec(), ..ServiceSpec::named("web") }
    }

    fn names(snapshot: &Snapshot, key: &[u8]) -> Vec<String> {
        snapshot.services[0].candidates(KeyHash::of(key)).map(|replica| replica.name.to_string()).collect()
    }

    #[test]
    fn a_request_finds_its_service_and_its_replicas_in_order() {
        let api = ServiceSpec {
            route: RouteRule::Match(RouteMatch { path: "/api".parse().unwrap(), ..RouteMatch::default() }),
            ..ServiceSpec::named("api")
        };
        let snapshot =
            Snapshot::build(vec![web(&[replica("a", 1), replica("b", 2), replica("c", 3)]), api], None)
                .unwrap();
        assert_eq!(&*snapshot.service_for(b"x", b"/api/1").unwrap().name, "api");
        let service = snapshot.service_for(b"x", b"/").unwrap();
        let hash = KeyHash::of(b"/");
        let indices: Vec<_> = service.table().order(hash).map(usize::from).collect();
        let candidates: Vec<_> = service.candidates(hash).map(|replica| replica.id).collect();
        assert_eq!(candidates, indices.iter().map(|index| service.replicas[*index].id).collect::<Vec<_>>());
        assert_eq!(candidates.len(), 3);
        assert_eq!(snapshot.services[1].candidates(hash).count(), 0);
    }

    #[test]
    fn the_order_of_the_specs_moves_no_key() {
        let [a, b, c] = [replica("a", 1), replica("b", 2), replica("c", 3)];
        let one = Snapshot::build(vec![web(&[a.clone(), b.clone(), c.clone()])], None).unwrap();
        let other = Snapshot::build(vec![web(&[c, a, b])], Some(&one)).unwrap();
        for key in 0..100_u32 {
            assert_eq!(names(&one, &key.to_le_bytes()), names(&other, &key.to_le_bytes()));
        }
    }

    #[test]
    fn an_unchanged_replica_keeps_its_identity_and_health() {
        let first = Snapshot::build(vec![web(&[replica("a", 1), replica("b", 2)])], None).unwrap();
        first.services[0].replicas[0].health.clear();
        let second = Snapshot::build(vec![web(&[replica("c", 3), replica("a", 1)])], Some(&first)).unwrap();
        assert_eq!(second.generation, 2);
        assert!(Arc::ptr_eq(&first.services[0].replicas[0], &second.services[0].replicas[1]));
        assert!(!second.services[0].replicas[1].health.is_up());
        assert_eq!(second.services[0].replicas[0].id, ReplicaId(2));
    }

    #[test]
    fn a_replica_with_another_address_weight_or_service_is_another() {
        let first = Snapshot::build(vec![web(&[replica("a", 1)])], None).unwrap();
        let old = first.services[0].replicas[0].id;
        let cases = [
            web(&[replica("a", 2)]),
            web(&[ReplicaSpec { weight: 2, ..replica("a", 1) }]),
            ServiceSpec { name: "other".into(), ..web(&[replica("a", 1)]) },
        ];
        for spec in cases {
            let next = Snapshot::build(vec![spec.clone()], Some(&first)).unwrap();
            assert_ne!(next.services[0].replicas[0].id, old, "{spec:?}");
        }
    }

    #[test]
    fn an_id_is_never_used_again() {
        let first = Snapshot::build(vec![web(&[replica("a", 1), replica("b", 2)])], None).unwrap();
        let without = Snapshot::build(vec![web(&[replica("a", 1)])], Some(&first)).unwrap();
        let again = Snapshot::build(vec![web(&[replica("a", 1), replica("b", 2)])], Some(&without)).unwrap();
        let ids = |snapshot: &Snapshot| {
            snapshot.services[0].replicas.iter().map(|one| one.id.0).collect::<Vec<_>>()
        };
        assert_eq!([ids(&first), ids(&without), ids(&again)], [vec![0, 1], vec![0], vec![0, 2]]);
    }

    /// A replica that moves to another address, stops serving or comes back is no reason to compile anything: with many
    /// members that would hold the control thread up.
    #[test]
    fn a_table_is_compiled_anew_only_for_other_members_or_another_rule() {
        let [a, b] = [replica("a", 1), replica("b", 2)];
        let first = Snapshot::build(vec![web(&[a.clone(), b.clone()])], None).unwrap();
        let row_of = |snapshot: &Snapshot| match snapshot.services[0].table() {
            Table::Rendezvous(table) => table.preference(KeyHash::of(b"key")).as_ptr(),
            other => panic!("{other:?}"),
        };
        let cases = [
            (web(&[a.clone(), replica("b", 3)]), true),
            (web(&[a.clone(), ReplicaSpec { address: None, incarnation: 1, ..b.clone() }]), true),
            (ServiceSpec { fallback: Fallback::Reject, ..web(&[a.clone(), b.clone()]) }, true),
            (web(&[a.clone(), ReplicaSpec { weight: 2, ..b.clone() }]), false),
            (web(&[a.clone(), ReplicaSpec { ordinal: 7, ..b.clone() }]), false),
            (web(&[a, b, replica("c", 3)]), false),
        ];
        for (spec, kept) in cases {
            let next = Snapshot::build(vec![spec.clone()], Some(&first)).unwrap();
            assert!(!Arc::ptr_eq(&next.services[0], &first.services[0]));
            assert_eq!(row_of(&next) == row_of(&first), kept, "{spec:?}");
        }
    }

    #[test]
    fn an_unchanged_service_is_kept_whole_and_a_changed_policy_keeps_the_table() {
        let spec = web(&[replica("a", 1), replica("b", 2)]);
        let first = Snapshot::build(vec![spec.clone()], None).unwrap();
        let second = Snapshot::build(vec![ServiceSpec::named("new"), spec.clone()], Some(&first)).unwrap();
        assert!(Arc::ptr_eq(&first.services[0], &second.services[1]));
        let changed = ServiceSpec { fallback: Fallback::Reject, ..spec };
        let third = Snapshot::build(vec![changed], Some(&second)).unwrap();
        assert_eq!(third.services[0].fallback, Fallback::Reject);
        assert_eq!(third.services[0].table(), second.services[1].table());
        assert!(Arc::ptr_eq(&third.services[0].replicas[0], &first.services[0].replicas[0]));
    }
}
