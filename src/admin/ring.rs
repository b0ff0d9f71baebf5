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

/// What would move if the replicas of `remove` went and those of `add` came, with a weight of 1.
///
/// # Errors
/// When the lists do not fit the members, or the placement cannot take them.
pub fn preview(service: &Service, add: &[String], remove: &[String]) -> Result<Preview, PreviewError> {
    let before: Vec<Member<'_>> = service.members().collect();
    let present: HashSet<&str> = before.iter().map(|member| member.name).collect();
    check(add, |name| !present.contains(name), PreviewError::Exists)?;
    check(remove, |name| present.contains(name), PreviewError::Unknown)?;
    let removed: HashSet<&str> = remove.iter().map(String::as_str).collect();
    let ordinals = before.iter().map(|member| member.ordinal).max().unwrap_or(0) + 1..;
    let stay = before.iter().filter(|member| !removed.contains(member.name)).copied();
    let come = add.iter().zip(ordinals).map(|(name, ordinal)| Member { name, ordinal, weight: 1 });
    let after: Vec<Member<'_>> = stay.chain(come).collect();
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
