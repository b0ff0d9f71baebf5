//! What can be asked about a service's placement: its digest, why a key goes where it goes, and what would move if replicas
//! came or went. The functions are as good for a snapshot that nobody serves, compiled from a configuration.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Operator;
use super::answer::Refused;
use super::request::{query, service_of};
use crate::control::call::CallError;
use crate::control::desired::free_ordinals;
use crate::placement::{
    Arrangement, Explanation, Member, Preview, RouteRule, Service, Snapshot, TableError, digest,
};

/// The most names that a preview takes on each side.
const NAMES_MAX: usize = 1_024;

/// What `/ring/digest` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Digests {
    /// Of all services, or of the one that was asked for.
    pub digest: String,
    /// Of each.
    pub services: Vec<ServiceDigest>,
}

/// The digest of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceDigest {
    /// The service's name.
    pub name: String,
    /// How its keys are spread.
    pub algorithm: String,
    /// The digest of its placement.
    pub digest: String,
}

/// Why a preview is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PreviewError {
    /// An empty name.
    #[error("there is an empty name in a list; write add=a,b")]
    Empty,
    /// A name twice.
    #[error("the name '{}' is there twice", .0.escape_default().take(80).collect::<String>())]
    Duplicate(String),
    /// A name to add that is there.
    #[error("a replica '{}' exists already", .0.escape_default().take(80).collect::<String>())]
    Exists(String),
    /// A name to remove that is not there.
    #[error("there is no replica '{}'", .0.escape_default().take(80).collect::<String>())]
    Unknown(String),
    /// Too many names.
    #[error("a list has {NAMES_MAX} names at most")]
    TooMany,
    /// The placement cannot take them.
    #[error(transparent)]
    Placement(#[from] TableError),
}

/// The digests of all services that the configuration names, or of one.
pub fn digests(snapshot: &Snapshot, only: Option<&Service>) -> Digests {
    let of = |service: &Service| ServiceDigest {
        name: service.name.to_string(),
        algorithm: service.algorithm.name().to_owned(),
        digest: digest::of_service(service),
    };
    match only {
        Some(service) => Digests { digest: digest::of_service(service), services: vec![of(service)] },
        None => {
            let services = snapshot.services.iter();
            let named = services.filter(|service| !matches!(service.route, RouteRule::Reserved(_)));
            let services = named.map(|service| of(service)).collect();
            Digests { digest: digest::of_snapshot(snapshot), services }
        }
    }
}

/// Why a key goes where it goes now.
pub fn explain(service: &Service, key: &[u8]) -> Explanation {
    Explanation::of(service, key, |replica| replica.counts.sum(|counts| &counts.in_flight))
}

/// What would move if the replicas of `remove` went and then those of `add` came, as `/rm` and `/add` would have it: with a
/// weight of 1 and the numbers that are free then.
///
/// # Errors
/// When the lists do not fit the members, or the placement cannot take them.
pub fn preview(service: &Service, add: &[String], remove: &[String]) -> Result<Preview, PreviewError> {
    let before: Vec<Member<'_>> = service.members().collect();
    let present: HashSet<&str> = before.iter().map(|member| member.name).collect();
    check(add, |name| !present.contains(name), PreviewError::Exists)?;
    check(remove, |name| present.contains(name), PreviewError::Unknown)?;
    let removed: HashSet<&str> = remove.iter().map(String::as_str).collect();
    let mut after: Vec<Member<'_>> = before.clone();
    after.retain(|member| !removed.contains(member.name));
    let ordinals = free_ordinals(after.iter().map(|member| member.ordinal).collect());
    after.extend(add.iter().zip(ordinals).map(|(name, ordinal)| Member { name, ordinal, weight: 1 }));
    let arrangement = |members| Arrangement { algorithm: service.algorithm, members };
    Ok(Preview::between(arrangement(&before), arrangement(&after))?)
}

fn check(
    names: &[String],
    is_proper: impl Fn(&str) -> bool,
    otherwise: impl Fn(String) -> PreviewError,
) -> Result<(), PreviewError> {
    if names.len() > NAMES_MAX {
        return Err(PreviewError::TooMany);
    }
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err(PreviewError::Empty);
        }
        if !seen.insert(name) {
            return Err(PreviewError::Duplicate(name.clone()));
        }
        if !is_proper(name) {
            return Err(otherwise(name.clone()));
        }
    }
    Ok(())
}

/// The names of a list `a,b`; none of an empty one.
pub fn names(list: &str) -> Vec<String> {
    if list.is_empty() { Vec::new() } else { list.split(',').map(str::to_owned).collect() }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DigestQuery {
    service: Option<Box<str>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainQuery {
    service: Option<Box<str>>,
    key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviewQuery {
    service: Option<Box<str>>,
    #[serde(default)]
    add: String,
    #[serde(default)]
    remove: String,
}

pub(super) async fn answer_digest(
    State(operator): State<Arc<Operator>>,
    uri: Uri,
) -> Result<Json<Digests>, Refused> {
    let DigestQuery { service } = query(&uri)?;
    let only = service.map(|name| placed(&operator, Some(&name))).transpose()?;
    Ok(Json(digests(&operator.shared.snapshots.current(), only.as_deref())))
}

pub(super) async fn answer_explain(
    State(operator): State<Arc<Operator>>,
    uri: Uri,
) -> Result<Json<Explanation>, Refused> {
    let ExplainQuery { service, key } = query(&uri)?;
    // What is no UTF-8 was replaced, and would be explained as another key than the one that was meant.
    if key.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Refused::bad("the key is no UTF-8; only keys that are can be explained"));
    }
    Ok(Json(explain(&*placed(&operator, service.as_deref())?, key.as_bytes())))
}

pub(super) async fn answer_preview(
    State(operator): State<Arc<Operator>>,
    uri: Uri,
) -> Result<Json<Preview>, Refused> {
    let PreviewQuery { service, add, remove } = query(&uri)?;
    let service = placed(&operator, service.as_deref())?;
    // Ten milliseconds where tables are large: too long for the thread that also watches the replicas.
    let computed =
        tokio::task::spawn_blocking(move || preview(&service, &names(&add), &names(&remove))).await;
    let computed = computed.map_err(|error| {
        Refused::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, format!("the preview broke off: {error}"))
    })?;
    computed.map(Json).map_err(|error| Refused::bad(error.to_string()))
}

/// The service that is meant, as it is placed now.
fn placed(operator: &Operator, named: Option<&str>) -> Result<Arc<Service>, Refused> {
    let view = operator.shared.view();
    let name = &service_of(&view, named)?.name;
    let snapshot = operator.shared.snapshots.current();
    snapshot.service_named(name).cloned().ok_or_else(|| CallError::NoService(name.clone()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::algorithm::{Algorithm, SlotsRule};
    use crate::base::random::Random;
    use crate::control::call::Change;
    use crate::control::desired::{self, Circumstances};
    use crate::control::durable::DurableMember;
    use crate::placement::{ReplicaSpec, ServiceSpec};

    const SLOTS: Algorithm = Algorithm::Slots(SlotsRule {
        slots: 512,
        hash: crate::base::algorithm::SlotHash::Given,
        probing: crate::base::algorithm::Probing::Linear,
    });

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What the control machine makes of the members when an operator asks for this.
    fn changed(members: &[DurableMember], change: &Change) -> Vec<DurableMember> {
        let circumstances = Circumstances { algorithm: &SLOTS, leaving: &Default::default(), clock_ms: 0 };
        match change {
            Change::Add { n: 0, .. } | Change::Remove { n: 0, .. } => members.to_vec(),
            change => desired::change(members, change, &circumstances, &mut Random::new(1)).unwrap().members,
        }
    }

    fn as_placed(members: &[DurableMember]) -> Vec<Member<'_>> {
        let placed = members.iter();
        placed.map(|one| Member { name: one.name.as_str(), ordinal: one.ordinal, weight: 1 }).collect()
    }

    fn service(members: &[DurableMember]) -> Arc<Service> {
        let replica = |member: &DurableMember| ReplicaSpec {
            name: member.name.as_str().into(),
            ordinal: member.ordinal,
            incarnation: 1,
            address: None,
            weight: 1,
        };
        let replicas = members.iter().map(replica).collect();
        let spec = ServiceSpec { algorithm: SLOTS, replicas, ..ServiceSpec::named("web") };
        Snapshot::build(vec![spec], None).unwrap().services[0].clone()
    }

    #[test]
    fn a_preview_is_what_the_control_machine_then_does() {
        let remove = |names: &[&str]| Change::Remove { n: names.len() as i64, names: strings(names) };
        let add = |names: &[&str]| Change::Add { n: names.len() as i64, names: strings(names) };
        // Numbers 2 and 4 are free again.
        let members = changed(&desired::initial(6), &remove(&["Server-2", "Server-4"]));
        for (come, go) in [
            (&["x"][..], &[][..]),
            (&["x", "y", "z"], &[]),
            (&["y", "x"], &["Server-1"]),
            (&["Server-2"], &["Server-6", "Server-3"]),
            (&[], &["Server-5"]),
        ] {
            let afterwards = changed(&changed(&members, &remove(go)), &add(come));
            let arrangement = |members| Arrangement { algorithm: SLOTS, members };
            let (old, new) = (as_placed(&members), as_placed(&afterwards));
            let expected = Preview::between(arrangement(&old), arrangement(&new)).unwrap();
            let previewed = preview(&service(&members), &strings(come), &strings(go)).unwrap();
            assert_eq!(previewed, expected, "+{come:?} -{go:?}");
        }
    }
}
