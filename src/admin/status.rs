//! `/status`: services, replicas and cores as one JSON value.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Operator;
use super::metrics::latency;
use crate::base::core_counters::CoreCounters;
use crate::base::counter::Counter;
use crate::base::replica_counts::Counts;
use crate::control::view::{self, ReplicaView, ServiceView};
use crate::placement::{self, Snapshot, digest};
use crate::provider::RunsAs;
use crate::provider::docker::EngineLook;

/// The whole answer. It can be read as well, by a command that may be older or newer than the program that it asks:
/// members that are missing have default values, unknown ones are passed over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The engine's name.
    pub engine: String,
    /// The word of `/readyz`: "starting", "ready" or "draining".
    pub readiness: String,
    /// Whether the program is about to stop.
    pub draining: bool,
    /// The newest published generation.
    pub generation: u64,
    /// The effective limit of descriptors.
    pub descriptors_max: u64,
    /// Client connections at most, of all cores together.
    pub connections_max: u64,
    /// Where clients are listened to.
    pub listen: Vec<SocketAddr>,
    /// Why the state file could not be written last time, if so.
    pub storage_fault: Option<String>,
    /// The engines of containers, by address.
    pub container_engines: Vec<ContainerEngine>,
    /// Request times.
    pub latency_ms: Latency,
    /// By number.
    pub cores: Vec<Core>,
    /// In the order of the configuration.
    pub services: Vec<Service>,
}

/// Quantiles of the request times since the start, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the field's")]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// An engine of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerEngine {
    /// Its address.
    pub address: String,
    /// The version of its interface that is spoken, once it was reached.
    pub version: Option<String>,
    /// How many milliseconds ago all that is known of it was confirmed last.
    pub sync_age_ms: Option<u64>,
    /// Why it cannot be used now.
    pub fault: Option<String>,
}

/// What one core counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "see base::core_counters::Counts")]
pub struct Core {
    pub core: usize,
    pub generation: u64,
    /// How many generations were published that the core has not taken up; more than a moment above 0 is a fault.
    pub generation_lag: u64,
    pub requests: u64,
    pub connections_open: u64,
    pub exchanges_open: u64,
    pub upstream_open: u64,
    pub retries: u64,
    pub aborted_after_head: u64,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Who starts its replicas.
    pub provider: String,
    /// How keys are spread.
    pub algorithm: String,
    /// The digest of its placement.
    pub digest: String,
    /// Its members in the order in which they came, then those that are on their way out.
    pub replicas: Vec<Replica>,
}

/// One replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica {
    /// Its stable name.
    pub name: String,
    /// The number that its name got.
    pub ordinal: u32,
    /// Which instance of it runs or ran last, as the log numbers them.
    pub instance: u64,
    /// Where it is in its life.
    pub state: String,
    /// Whether it is a member still.
    pub member: bool,
    /// Whether it may be picked.
    pub up: bool,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// Its process, if it is one and runs.
    pub pid: Option<u32>,
    /// The beginning of its container's id, if it is one and runs.
    pub container: Option<String>,
    /// Its share, relative to the others'; absent once no key is placed on it.
    pub weight: Option<u32>,
    /// Exchanges under way on it.
    pub in_flight: u64,
    /// Attempts that picked it, since its instance was started; so are the next two.
    pub attempts: u64,
    /// Answers whose head came whole.
    pub answers: u64,
    /// Attempts that got no answer.
    pub failures: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Heartbeats that failed in a row.
    pub missed_heartbeats: u32,
    /// Milliseconds until the next start, while it waits for that.
    pub next_start_ms: Option<u64>,
    /// How its last instance ended, if that was not asked for.
    pub last_failure: Option<Failure>,
}

/// How an instance ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// Why.
    pub reason: String,
    /// The last lines that it logged, oldest first.
    pub log: Vec<String>,
}

pub(super) async fn status(State(operator): State<Arc<Operator>>) -> Json<Status> {
    Json(status_of(&operator))
}

/// What there is now. Which replicas there are is what control published last; what is counted of them comes from the
/// snapshot, by their names.
fn status_of(operator: &Operator) -> Status {
    let shared = &operator.shared;
    let (snapshot, view) = (shared.snapshots.current(), shared.view());
    let times = latency(shared);
    let millis = |quantile| times.quantile(quantile).as_secs_f64() * 1e3;
    let cores = shared.cores.iter().enumerate();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: shared.info.engine.to_owned(),
        readiness: operator.readiness.word(shared).to_owned(),
        draining: shared.is_draining(),
        generation: snapshot.generation,
        descriptors_max: shared.info.descriptors_max,
        connections_max: shared.info.connections_max,
        listen: shared.info.listen.to_vec(),
        storage_fault: view.storage_fault.clone(),
        container_engines: shared.engines().iter().map(container_engine).collect(),
        latency_ms: Latency { p50: millis(0.5), p99: millis(0.99), p999: millis(0.999) },
        cores: cores.map(|(index, link)| core(index, &link.counters, &snapshot)).collect(),
        services: view.services.iter().map(|service| service_of(service, &snapshot)).collect(),
    }
}

fn container_engine(look: &EngineLook) -> ContainerEngine {
    ContainerEngine {
        address: look.address.clone(),
        version: look.version.clone(),
        sync_age_ms: look.sync_age.and_then(|age| u64::try_from(age.as_millis()).ok()),
        fault: look.fault.clone(),
    }
}

fn core(core: usize, counts: &CoreCounters, snapshot: &Snapshot) -> Core {
    Core {
        core,
        generation: counts.generation.value(),
        generation_lag: snapshot.generation.saturating_sub(counts.generation.value()),
        requests: counts.requests.value(),
        connections_open: counts.connections_open.value(),
        exchanges_open: counts.exchanges_open.value(),
        upstream_open: counts.upstream_open.value(),
        retries: counts.retries.value(),
        aborted_after_head: counts.aborted_after_head.value(),
    }
}

fn service_of(service: &ServiceView, snapshot: &Snapshot) -> Service {
    let placed = snapshot.service_named(&service.name);
    let placed_as = |name: &str| placed?.replicas.iter().find(|replica| &*replica.name == name);
    Service {
        name: service.name.to_string(),
        provider: service.provider.to_owned(),
        algorithm: service.algorithm.name().to_owned(),
        digest: placed.map_or_else(String::new, |placed| digest::of_service(placed)),
        replicas: service
            .replicas
            .iter()
            .map(|replica| replica_of(replica, placed_as(&replica.name).map(|placed| &**placed)))
            .collect(),
    }
}

fn replica_of(replica: &ReplicaView, placed: Option<&placement::Replica>) -> Replica {
    let sum = |count: fn(&Counts) -> &Counter| placed.map_or(0, |placed| placed.counts.sum(count));
    Replica {
        name: replica.name.to_string(),
        ordinal: replica.ordinal,
        instance: replica.incarnation,
        state: replica.state.name().to_owned(),
        member: replica.member,
        up: placed.is_some_and(|placed| placed.health.is_up()),
        address: replica.address,
        pid: match replica.runs_as {
            Some(RunsAs::Process(pid)) => Some(pid),
            _ => None,
        },
        container: match replica.runs_as {
            Some(RunsAs::Container(id)) => Some(id.to_string()),
            _ => None,
        },
        weight: placed.map(|placed| placed.weight),
        in_flight: sum(|counts| &counts.in_flight),
        attempts: sum(|counts| &counts.attempts),
        answers: sum(|counts| &counts.answers),
        failures: sum(|counts| &counts.failures),
        restarts: replica.restarts,
        missed_heartbeats: replica.missed_heartbeats,
        next_start_ms: replica.next_start_ms,
        last_failure: replica.last_failure.as_ref().map(failure),
    }
}

fn failure(failure: &view::Failure) -> Failure {
    Failure { reason: failure.reason.clone(), log: failure.log_tail.clone() }
}
