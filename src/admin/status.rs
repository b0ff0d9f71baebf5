//! `/status`: services, replicas and cores as one JSON value.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::metrics::latency;
use crate::base::core_counters::CoreCounters;
use crate::control::Shared;

#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    engine: &'static str,
    draining: bool,
    generation: u64,
    descriptors_max: u64,
    connections_max: u64,
    latency_ms: Latency,
    cores: Vec<Core>,
    services: Vec<Service>,
}

#[derive(Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
    p999: f64,
}

#[derive(Serialize)]
struct Core {
    core: usize,
    generation: u64,
    oldest_generation: u64,
    requests: u64,
    connections_open: u64,
    exchanges_open: u64,
    upstream_open: u64,
    retries: u64,
    aborted_after_head: u64,
}

#[derive(Serialize)]
struct Service {
    name: Box<str>,
    replicas: Vec<Replica>,
}

#[derive(Serialize)]
struct Replica {
    name: Box<str>,
    address: Option<String>,
    weight: u32,
    up: bool,
}

pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Json<Status> {
    let snapshot = shared.snapshots.current();
    let times = latency(&shared);
    let millis = |quantile| times.quantile(quantile).as_secs_f64() * 1e3;
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        engine: shared.info.engine,
        draining: shared.is_draining(),
        generation: snapshot.generation,
        descriptors_max: shared.info.descriptors_max,
        connections_max: shared.info.connections_max,
        latency_ms: Latency { p50: millis(0.5), p99: millis(0.99), p999: millis(0.999) },
        cores: shared.cores.iter().enumerate().map(|(index, link)| core(index, &link.counters)).collect(),
        services: snapshot
            .services
            .iter()
            .map(|service| Service {
                name: service.name.clone(),
                replicas: service
                    .replicas
                    .iter()
                    .map(|replica| Replica {
                        name: replica.name.clone(),
                        address: replica.address.map(|address| address.to_string()),
                        weight: replica.weight,
                        up: replica.health.is_up(),
                    })
                    .collect(),
            })
            .collect(),
    })
}

fn core(core: usize, counts: &CoreCounters) -> Core {
    Core {
        core,
        generation: counts.generation.value(),
        oldest_generation: counts.oldest_generation.value(),
        requests: counts.requests.value(),
        connections_open: counts.connections_open.value(),
        exchanges_open: counts.exchanges_open.value(),
        upstream_open: counts.upstream_open.value(),
        retries: counts.retries.value(),
        aborted_after_head: counts.aborted_after_head.value(),
    }
}
