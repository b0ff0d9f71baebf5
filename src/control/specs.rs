//! From the configuration to what a snapshot is built of and to what the machine keeps running.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::durable::DurableState;
use super::machine::Machine;
use super::machine::plan::{ReplicasPlan, ServicePlan, StaticReplica};
use super::with_members;
use crate::base::policy::{RetryPolicy, Timeouts};
use crate::base::time::Moment;
use crate::config::{Config, ReplicaConfig, ReplicasConfig, ServiceConfig};
use crate::placement::{PlacementError, ReplicaSpec, RouteRule, ServiceSpec};

/// The paths of the control calls.
const CONTROL_PATHS: [&str; 3] = ["/rep", "/add", "/rm"];
/// The service of the control calls on the ingress; no configured service can have the name.
pub const CONTROL_SERVICE: &str = "(control)";
/// What the admin listener is published as; no instance gets so far.
pub(super) const CONTROL_INCARNATION: u64 = u64::MAX;
/// How long a control call may take: one that waits for its replicas takes as long as their start or their drain.
const CONTROL_PATIENCE: Duration = Duration::from_secs(900);

/// The services of a configuration without their members, which the machine knows.
pub fn service_specs(config: &Config) -> Vec<ServiceSpec> {
    config.services.iter().map(service_spec).collect()
}

fn service_spec(service: &ServiceConfig) -> ServiceSpec {
    ServiceSpec {
        name: service.name.clone(),
        route: RouteRule::Match(service.route.clone()),
        keys: service.keys.clone(),
        fallback: service.fallback,
        algorithm: service.algorithm,
        bounded_load: service.bounded_load,
        timeouts: service.timeouts,
        pool: service.pool,
        retries: service.retries,
        replicas: Vec::new(),
    }
}

/// The services of a configuration with the members that a first start gives them.
///
/// # Errors
/// When a placement does not take its service's members.
pub fn first_specs(config: &Config) -> Result<Vec<ServiceSpec>, PlacementError> {
    let machine = Machine::new(service_plans(config), DurableState::default(), 0, Moment::ORIGIN)?;
    Ok(with_members(&service_specs(config), machine.members()))
}

/// The service that takes control calls from the ingress to the admin listener, as if that were a replica.
pub fn control_spec(admin: SocketAddr) -> ServiceSpec {
    let timeouts = Timeouts { first_byte: CONTROL_PATIENCE, ..Timeouts::default() };
    let replica = ReplicaSpec {
        name: "admin".into(),
        ordinal: 1,
        incarnation: CONTROL_INCARNATION,
        address: Some(reachable(admin)),
        weight: 1,
    };
    ServiceSpec {
        route: RouteRule::Reserved(CONTROL_PATHS.map(Into::into).into()),
        timeouts,
        retries: RetryPolicy { retries_max: 0, ..RetryPolicy::default() },
        replicas: vec![replica],
        ..ServiceSpec::named(CONTROL_SERVICE)
    }
}

/// Where a listener of this address is reached from this machine.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let address = match listener.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listener.port())
}

/// What the machine keeps running.
pub fn service_plans(config: &Config) -> Vec<ServicePlan> {
    let plan = |service: &ServiceConfig| ServicePlan {
        name: service.name.clone(),
        algorithm: service.algorithm,
        heartbeat: service.heartbeat.clone(),
        replicas: match &service.replicas {
            ReplicasConfig::Static(replicas) => {
                ReplicasPlan::Static(replicas.iter().map(static_replica).collect())
            }
            ReplicasConfig::Process(process) => ReplicasPlan::Owned {
                provider: "process",
                count: process.count,
                supervision: process.supervision,
                queues_starts: true,
            },
            ReplicasConfig::Docker(docker) => ReplicasPlan::Owned {
                provider: "docker",
                count: docker.count,
                supervision: docker.supervision,
                queues_starts: false,
            },
        },
    };
    config.services.iter().map(plan).collect()
}

fn static_replica(replica: &ReplicaConfig) -> StaticReplica {
    StaticReplica { name: replica.name.clone(), address: replica.address, weight: replica.weight }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Snapshot;

    #[test]
    fn control_calls_reach_the_admin_listener_whatever_the_services_match() {
        let config =
            "[[service]]\nmatch = { path = \"/rep\" }\nreplicas = { addresses = [\"127.0.0.1:1\"] }\n";
        let config = Config::parse("ringway.toml", config).unwrap();
        let mut specs = service_specs(&config);
        specs.push(control_spec("0.0.0.0:8081".parse().unwrap()));
        let snapshot = Snapshot::build(specs, None).unwrap();
        let named = |path: &str| snapshot.service_for(b"x", path.as_bytes()).map(|service| &*service.name);
        assert_eq!(named("/rep"), Some(CONTROL_SERVICE));
        assert_eq!(named("/rep/1"), Some("default"));
        let control = snapshot.service_named(CONTROL_SERVICE).unwrap();
        assert_eq!(control.replicas[0].address, Some("127.0.0.1:8081".parse().unwrap()));
    }
}
