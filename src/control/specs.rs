//! From the configuration to what a snapshot is built of.

use crate::config::Config;
use crate::placement::{ReplicaSpec, ServiceSpec};

/// The services of a configuration, as specifications for [`crate::placement::Snapshot::build`].
pub fn service_specs(config: &Config) -> Vec<ServiceSpec> {
    config
        .services
        .iter()
        .map(|service| ServiceSpec {
            name: service.name.clone(),
            route: service.route.clone(),
            keys: service.keys.clone(),
            fallback: service.fallback,
            timeouts: service.timeouts,
            pool: service.pool,
            retries: service.retries,
            replicas: service
                .replicas
                .iter()
                .map(|replica| ReplicaSpec {
                    name: replica.name.clone(),
                    address: replica.address,
                    weight: replica.weight,
                })
                .collect(),
        })
        .collect()
}
