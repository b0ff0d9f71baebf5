//! Why a key goes where it goes, for an operator who asks.

use serde::Serialize;

use super::bounded_load::LoadBounds;
use super::snapshot::{Replica, Service};

/// What places one key of a service, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The service's name.
    pub service: Box<str>,
    /// The word of the placement.
    pub algorithm: &'static str,
    /// The key's hash by that placement, in 16 hexadecimal digits.
    pub hash: String,
    /// The slot, where the placement has slots (see [`Table::slot`](super::Table::slot)).
    pub slot: Option<usize>,
    /// Every replica, in the order in which the key tries them.
    pub replicas: Vec<Candidate>,
    /// The name of the one that a request would go to now; `None` if all are down.
    pub chosen: Option<Box<str>>,
}

/// One replica as the key sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its stable name.
    pub name: Box<str>,
    /// Its share; 1 where the placement has no weights.
    pub weight: u32,
    /// Whether it may be picked.
    pub up: bool,
    /// Requests under way on it.
    pub in_flight: u64,
    /// How many it may have at most, where loads are bounded and it is up.
    pub bound: Option<u64>,
}

impl Explanation {
    /// Explains a key by its bytes; `in_flight` says how many requests are under way on a replica.
    pub fn of(service: &Service, key: &[u8], in_flight: impl Fn(&Replica) -> u64) -> Self {
        let hash = service.hasher().hash(key);
        let weight = |replica: &Replica| if service.algorithm.has_weights() { replica.weight } else { 1 };
        let mut replicas: Vec<_> = service
            .candidates(hash)
            .map(|replica| Candidate {
                name: replica.name.clone(),
                weight: weight(replica),
                up: replica.health.is_up(),
                in_flight: in_flight(replica),
                bound: None,
            })
            .collect();
        let bounds = service.bounded_load.map(|rule| {
            let up = || replicas.iter().filter(|candidate| candidate.up);
            let weight_sum = up().map(|candidate| u64::from(candidate.weight)).sum();
            LoadBounds::new(rule, up().map(|candidate| candidate.in_flight).sum(), weight_sum)
        });
        for candidate in replicas.iter_mut().filter(|candidate| candidate.up) {
            candidate.bound = bounds.map(|bounds| bounds.bound(candidate.weight));
        }
        Explanation {
            service: service.name.clone(),
            algorithm: service.algorithm.name(),
            hash: format!("{:016x}", hash.as_u64()),
            slot: service.table().slot(hash),
            chosen: replicas
                .iter()
                .find(|candidate| candidate.may_take())
                .map(|candidate| candidate.name.clone()),
            replicas,
        }
    }
}

impl Candidate {
    fn may_take(&self) -> bool {
        self.up && self.bound.is_none_or(|bound| self.in_flight < bound)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::algorithm::{Algorithm, BoundedLoad, SlotsRule};
    use crate::placement::{ReplicaSpec, ServiceSpec, Snapshot};

    fn service(algorithm: Algorithm, bounded_load: Option<BoundedLoad>) -> Arc<Service> {
        let replicas = [("a", 1), ("b", 2), ("c", 3)].map(|(name, ordinal)| ReplicaSpec {
            name: name.into(),
            ordinal,
            incarnation: 0,
            address: Some(([127, 0, 0, 1], 80).into()),
            weight: 2,
        });
        let spec =
            ServiceSpec { algorithm, bounded_load, replicas: replicas.into(), ..ServiceSpec::named("web") };
        let snapshot = Snapshot::build(vec![spec], None).unwrap();
        Arc::clone(&snapshot.services[0])
    }

    fn order(explanation: &Explanation) -> Vec<&str> {
        explanation.replicas.iter().map(|candidate| &*candidate.name).collect()
    }

    #[test]
    fn a_key_is_explained_down_to_the_replica_that_takes_it() {
        // `/home`'s hash is among the literals of the hash's own tests; 6736... in its top 12 bits is slot 0x673.
        let explanation = Explanation::of(&service(Algorithm::Rendezvous, None), b"/home", |_| 7);
        assert_eq!((explanation.hash.as_str(), explanation.slot), ("6736ff856ddce61d", Some(0x673)));
        assert_eq!(explanation.replicas.len(), 3);
        let first = &explanation.replicas[0];
        assert_eq!(explanation.chosen.as_deref(), Some(&*first.name));
        assert_eq!((first.weight, first.up, first.in_flight, first.bound), (2, true, 7, None));
    }

    #[test]
    fn a_request_s_number_has_system_a_s_slot() {
        // 10^2 + 20 + 17; server 2's virtual server at 109 is the last before 114 of server 3, and 137 lies behind it:
        // around the ring to server 1 at 26, then server 2 at 30, then server 3 at 35.
        let explanation =
            Explanation::of(&service(Algorithm::Slots(SlotsRule::default()), None), b"10", |_| 0);
        assert_eq!((explanation.slot, order(&explanation)), (Some(137), vec!["a", "b", "c"]));
        assert_eq!(explanation.hash, "000000000000000a");
        assert!(explanation.replicas.iter().all(|candidate| candidate.weight == 1));
    }

    #[test]
    fn who_is_down_or_has_more_than_its_share_is_passed_over() {
        let service =
            service(Algorithm::Slots(SlotsRule::default()), Some(BoundedLoad { factor_thousandths: 1_250 }));
        let chosen = |in_flight: [u64; 3]| {
            let of = |replica: &Replica| in_flight[replica.ordinal as usize - 1];
            Explanation::of(&service, b"10", of).chosen
        };
        assert_eq!(chosen([15, 0, 0]).as_deref(), Some("a"), "below the floor");
        assert_eq!(chosen([16, 0, 0]).as_deref(), Some("b"));
        assert_eq!(chosen([40, 40, 10]).as_deref(), Some("c"), "the bound is 38");
        assert_eq!(chosen([37, 40, 13]).as_deref(), Some("a"));
        service.replicas[0].health.clear();
        assert_eq!(chosen([0, 0, 0]).as_deref(), Some("b"));
        assert_eq!(
            chosen([1_000, 16, 0]).as_deref(),
            Some("c"),
            "the load of who is down counts for nothing"
        );
        for replica in &service.replicas {
            replica.health.clear();
        }
        assert_eq!(chosen([0, 0, 0]), None);
    }

    #[test]
    fn an_answer_in_json_has_these_names() {
        let explanation = Explanation::of(&service(Algorithm::Ketama, None), b"/home", |_| 0);
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!((&json["algorithm"], &json["slot"]), (&"ketama".into(), &serde_json::Value::Null));
        assert_eq!(json["replicas"][0]["up"], true);
        assert_eq!(json["chosen"], json["replicas"][0]["name"]);
    }
}
