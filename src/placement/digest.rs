//! One hash of everything that decides where a service's keys go, so that two proxies can prove that they agree.
//!
//! A digest is the SHA-256, in lower-case hexadecimal, of a text of lines that each end with a line feed. TEXT stands
//! for the number of bytes of a text in decimal, a space, and the text itself, so that nothing in a name can pass for
//! something else. A service's text is:
//!
//! ```text
//! ringway placement 1
//! algorithm rendezvous        or: maglev, ketama, slots M given|modified|cryptographic linear|quadratic, modulo FACTOR
//! bounded-load none           or the factor in thousandths: bounded-load 1250
//! key TEXT                    for each key, in its order, as the configuration writes it: 4 path, 14 header:x-tenant
//! fallback random             or: reject
//! member TEXT weight W        for each member, of rendezvous, maglev, ketama
//! member TEXT ordinal N       of slots
//! member TEXT                 of modulo
//! ```
//!
//! Members stand in the order of their names' bytes. Only for ketama, and only where two members share a point, which
//! then belongs to the one that is listed first, they stand in the order of the list. Addresses, health and load are
//! left out: they decide who answers now, not whose the key is. So are the requests that a service matches, and its own
//! name.
//!
//! A snapshot's text is `ringway services 1`, and for each service, in the order of the names' bytes,
//! `service TEXT DIGEST`, where the text is its name. Services of reserved paths are Ringway's own and left out.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::route::RouteRule;
use super::snapshot::{Service, Snapshot};
use super::table::{Member, Table};
use crate::base::algorithm::{Algorithm, Probing, SlotHash};
use crate::base::key_source::{Fallback, KeySource};

/// The digest of a service's placement: 64 hexadecimal digits.
pub fn of_service(service: &Service) -> String {
    let mut text = String::from("ringway placement 1\n");
    text += &format!("algorithm {}\n", algorithm_words(service.algorithm));
    match service.bounded_load {
        Some(rule) => text += &format!("bounded-load {}\n", rule.factor_thousandths),
        None => text += "bounded-load none\n",
    }
    for key in &service.keys {
        text += &format!("key {}\n", counted(&key_words(key)));
    }
    text += match service.fallback {
        Fallback::Random => "fallback random\n",
        Fallback::Reject => "fallback reject\n",
    };
    let mut members: Vec<_> = service.members().collect();
    if !matches!(service.table(), Table::Ketama(table) if table.depends_on_order()) {
        members.sort_by_key(|member| member.name);
    }
    for member in members {
        text += &format!("member {}\n", member_words(service.algorithm, member));
    }
    sha_256(&text)
}

/// The digest of all services' placements: 64 hexadecimal digits.
pub fn of_snapshot(snapshot: &Snapshot) -> String {
    let is_operators = |service: &&Arc<Service>| !matches!(service.route, RouteRule::Reserved(_));
    let mut services: Vec<_> = snapshot.services.iter().filter(is_operators).collect();
    services.sort_by_key(|service| &service.name);
    let mut text = String::from("ringway services 1\n");
    for service in services {
        text += &format!("service {} {}\n", counted(&service.name), of_service(service));
    }
    sha_256(&text)
}

fn sha_256(text: &str) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn counted(text: &str) -> String {
    format!("{} {text}", text.len())
}

fn algorithm_words(algorithm: Algorithm) -> String {
    let name = algorithm.name();
    match algorithm {
        Algorithm::Rendezvous | Algorithm::Maglev | Algorithm::Ketama => name.to_owned(),
        Algorithm::Slots(rule) => {
            let hash = match rule.hash {
                SlotHash::Given => "given",
                SlotHash::Modified => "modified",
                SlotHash::Cryptographic => "cryptographic",
            };
            let probing = match rule.probing {
                Probing::Linear => "linear",
                Probing::Quadratic => "quadratic",
            };
            format!("{name} {} {hash} {probing}", rule.slots)
        }
        Algorithm::Modulo(rule) => format!("{name} {}", rule.factor),
    }
}

fn member_words(algorithm: Algorithm, member: Member<'_>) -> String {
    let name = counted(member.name);
    match algorithm {
        Algorithm::Rendezvous | Algorithm::Maglev | Algorithm::Ketama => {
            format!("{name} weight {}", member.weight)
        }
        Algorithm::Slots(_) => format!("{name} ordinal {}", member.ordinal),
        Algorithm::Modulo(_) => name,
    }
}

fn key_words(key: &KeySource) -> String {
    match key {
        KeySource::Path => "path".to_owned(),
        KeySource::Uri => "uri".to_owned(),
        KeySource::Host => "host".to_owned(),
        KeySource::ClientIp => "client-ip".to_owned(),
        KeySource::Header(name) => format!("header:{name}"),
        KeySource::Cookie(name) => format!("cookie:{name}"),
        KeySource::Query(name) => format!("query:{name}"),
        KeySource::Segment(number) => format!("segment:{number}"),
        KeySource::Json(name) => format!("json:{name}"),
        KeySource::Random => "random".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::algorithm::{BoundedLoad, ModuloRule, SlotsRule};
    use crate::placement::{ReplicaSpec, ServiceSpec};

    fn replica(name: &str, ordinal: u32, weight: u32) -> ReplicaSpec {
        ReplicaSpec { name: name.into(), ordinal, incarnation: 0, address: None, weight }
    }

    fn web(algorithm: Algorithm) -> ServiceSpec {
        let replicas = vec![replica("web-1", 1, 1), replica("web-2", 2, 3)];
        ServiceSpec { algorithm, replicas, ..ServiceSpec::named("web") }
    }

    fn digest(spec: ServiceSpec) -> String {
        of_service(&Snapshot::build(vec![spec], None).unwrap().services[0])
    }

    /// From `printf '...' | sha256sum`, by the texts that the rule above gives:
    ///
    /// ```text
    /// ringway placement 1\nalgorithm rendezvous\nbounded-load none\nkey 4 path\nfallback random\n
    ///     member 5 web-1 weight 1\nmember 5 web-2 weight 3\n
    /// ringway placement 1\nalgorithm slots 512 given linear\nbounded-load 1250\nkey 15 json:request_id\nkey 6 random\n
    ///     fallback reject\nmember 5 web-1 ordinal 1\nmember 5 web-2 ordinal 2\n
    /// ringway placement 1\nalgorithm modulo 2\nbounded-load none\nkey 4 path\nfallback random\nmember 5 web-1\nmember 5 web-2\n
    /// ```
    #[test]
    fn another_program_gets_the_same_digest() {
        let slots = ServiceSpec {
            bounded_load: Some(BoundedLoad { factor_thousandths: 1_250 }),
            keys: Box::new([KeySource::Json("request_id".into()), KeySource::Random]),
            fallback: Fallback::Reject,
            ..web(Algorithm::Slots(SlotsRule::default()))
        };
        let cases = [
            (web(Algorithm::Rendezvous), "33613701f4fe5c14dee8d5bf0a236283ec9ca58439d9a49cf60b37740a0619c2"),
            (slots, "f72bb03f2458ebd6761c68cfbfe24a093359763879339c3cb8f05c247979b370"),
            (
                web(Algorithm::Modulo(ModuloRule { factor: 2 })),
                "7cc5b26c5c602bedcde15cf9981af505a5b765b372b771ec6655308f29d8ddf3",
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(digest(spec.clone()), expected, "{:?}", spec.algorithm);
        }
    }

    /// The text is `ringway services 1`, `service 3 api `, the digest of the first case above, and `service 3 web `
    /// with the same.
    #[test]
    fn a_snapshot_s_digest_is_of_its_services_by_name() {
        let named = |name: &str| ServiceSpec { name: name.into(), ..web(Algorithm::Rendezvous) };
        for names in [["api", "web"], ["web", "api"]] {
            let snapshot = Snapshot::build(names.map(named).into(), None).unwrap();
            assert_eq!(
                of_snapshot(&snapshot),
                "7bd7e4c449a03c8d38954a6812e9d40d5648f1d1bbfca649c981470479d35ee0"
            );
        }
    }

    #[test]
    fn what_places_no_key_is_left_out() {
        let mut other = web(Algorithm::Rendezvous);
        other.name = "other".into();
        other.replicas.reverse();
        other.replicas[0].address = Some(([127, 0, 0, 1], 80).into());
        other.replicas[0].ordinal = 9;
        other.replicas[0].incarnation = 7;
        assert_eq!(digest(other), digest(web(Algorithm::Rendezvous)));
        let mut unweighted = web(Algorithm::Modulo(ModuloRule::default()));
        unweighted.replicas[0].weight = 5;
        assert_eq!(digest(unweighted), digest(web(Algorithm::Modulo(ModuloRule::default()))));
    }

    #[test]
    fn whatever_places_a_key_makes_another_digest() {
        let given = web(Algorithm::Slots(SlotsRule::default()));
        let plain = web(Algorithm::Rendezvous);
        let mut heavier = plain.clone();
        heavier.replicas[0].weight = 2;
        let mut renamed = plain.clone();
        renamed.replicas[0].name = "web-3".into();
        let mut moved = given.clone();
        moved.replicas[0].ordinal = 3;
        let specs = [
            ServiceSpec { fallback: Fallback::Reject, ..plain.clone() },
            ServiceSpec { keys: Box::new([KeySource::Uri]), ..plain.clone() },
            ServiceSpec { keys: Box::new([KeySource::Path, KeySource::Uri]), ..plain.clone() },
            ServiceSpec { bounded_load: Some(BoundedLoad { factor_thousandths: 1_250 }), ..plain.clone() },
            ServiceSpec { bounded_load: Some(BoundedLoad { factor_thousandths: 1_500 }), ..plain.clone() },
            ServiceSpec { replicas: Vec::new(), ..plain.clone() },
            heavier,
            renamed,
            plain,
            web(Algorithm::Maglev),
            web(Algorithm::Ketama),
            web(Algorithm::Slots(SlotsRule { slots: 1_024, ..SlotsRule::default() })),
            web(Algorithm::Slots(SlotsRule { hash: SlotHash::Modified, ..SlotsRule::default() })),
            web(Algorithm::Slots(SlotsRule { probing: Probing::Quadratic, ..SlotsRule::default() })),
            given,
            moved,
            web(Algorithm::Modulo(ModuloRule { factor: 1 })),
            web(Algorithm::Modulo(ModuloRule { factor: 2 })),
        ];
        let digests: std::collections::BTreeSet<_> = specs.iter().cloned().map(digest).collect();
        assert_eq!(digests.len(), specs.len());
    }

    #[test]
    fn the_order_of_a_continuum_s_list_counts_only_where_points_meet() {
        let service = |names: [&str; 2]| ServiceSpec {
            replicas: names.map(|name| replica(name, 1, 1)).into(),
            ..web(Algorithm::Ketama)
        };
        assert_eq!(digest(service(["a:80", "b:80"])), digest(service(["b:80", "a:80"])));
        assert_ne!(digest(service(["n334:80", "n738:80"])), digest(service(["n738:80", "n334:80"])));
    }
}
