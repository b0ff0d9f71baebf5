//! From the configuration to what a snapshot is built of.

use crate::config::{Config, ReplicasConfig};
use crate::placement::{ReplicaSpec, RouteRule, ServiceSpec};

/// The services of a configuration, as specifications for [`crate::placement::Snapshot::build`].
pub fn service_specs(config: &Config) -> Vec<ServiceSpec> {
    config
        .services
        .iter()
        .map(|service| ServiceSpec {
            name: service.name.clone(),
            route: RouteRule::Match(service.route.clone()),
            keys: service.keys.clone(),
            fallback: service.fallback,
            algorithm: service.algorithm,
            bounded_load: service.bounded_load,
            timeouts: service.timeouts,
            pool: service.pool,
            retries: service.retries,
            replicas: match &service.replicas {
                ReplicasConfig::Static(replicas) => replicas
                    .iter()
                    .zip(1..)
                    .map(|(replica, ordinal)| ReplicaSpec {
                        name: replica.name.clone(),
                        ordinal,
                        incarnation: 0,
                        address: Some(replica.address),
                        weight: replica.weight,
                    })
                    .collect(),
                ReplicasConfig::Process(_) => Vec::new(),
            },
        })
        .collect()
}
