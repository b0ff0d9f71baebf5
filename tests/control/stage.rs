//! The services of the simulated configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringway::base::algorithm::Algorithm;
use ringway::base::supervision::{HeartbeatPolicy, OnExit, StopSignal, Supervision};
use ringway::control::machine::plan::{ReplicasPlan, ServicePlan, StaticReplica};

/// The port of the first server of somebody else's.
const STATIC_PORT: u16 = 9_001;

/// The heartbeat of every service here.
pub(crate) fn heartbeat() -> HeartbeatPolicy {
    HeartbeatPolicy {
        path: "/heartbeat".into(),
        interval: Duration::from_millis(250),
        timeout: Duration::from_millis(100),
        failures: 3,
    }
}

/// Short, so that a run of half a minute sees every deadline pass.
pub(crate) fn supervision() -> Supervision {
    Supervision {
        startup: Duration::from_secs(2),
        stable: Duration::from_secs(1),
        backoff_min: Duration::from_millis(50),
        backoff_max: Duration::from_secs(1),
        crash_loop: 5,
        drain: Duration::from_millis(800),
        stop_timeout: Duration::from_millis(400),
        stop_signal: StopSignal::Int,
        on_exit: OnExit::Stop,
    }
}

/// A service whose replicas are Ringway's own.
pub(crate) fn owned(name: &str, count: usize) -> ServicePlan {
    ServicePlan {
        name: name.into(),
        algorithm: Algorithm::Rendezvous,
        heartbeat: Some(heartbeat()),
        replicas: ReplicasPlan::Owned {
            provider: "process",
            count,
            supervision: supervision(),
            queues_starts: true,
        },
    }
}

/// The addresses of a static service.
pub(crate) fn static_addresses(count: usize) -> impl Iterator<Item = SocketAddr> {
    (0..count).map(|number| SocketAddr::from((Ipv4Addr::LOCALHOST, STATIC_PORT + number as u16)))
}

/// A service of somebody else's servers.
pub(crate) fn fixed(name: &str, count: usize, heartbeat: Option<HeartbeatPolicy>) -> ServicePlan {
    let replica =
        |address: SocketAddr| StaticReplica { name: address.to_string().into(), address, weight: 1 };
    ServicePlan {
        name: name.into(),
        algorithm: Algorithm::Rendezvous,
        heartbeat,
        replicas: ReplicasPlan::Static(static_addresses(count).map(replica).collect()),
    }
}

/// How a service's own replicas are looked after, if it has any.
pub(crate) fn supervision_of(plan: &ServicePlan) -> Option<&Supervision> {
    match &plan.replicas {
        ReplicasPlan::Owned { supervision, .. } => Some(supervision),
        ReplicasPlan::Static(_) => None,
    }
}
