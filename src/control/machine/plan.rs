//! What the machine keeps running: the configuration's part of the desired state.

use std::net::SocketAddr;

use crate::base::algorithm::Algorithm;
use crate::base::supervision::{HeartbeatPolicy, Supervision};

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePlan {
    /// Its name, unique.
    pub name: Box<str>,
    /// How its keys are spread: a change of members must be one that it can take.
    pub algorithm: Algorithm,
    /// Its heartbeat; `None`: replicas are looked at (by connecting) only when the cores found them unreachable.
    pub heartbeat: Option<HeartbeatPolicy>,
    /// Who serves it.
    pub replicas: ReplicasPlan,
}

/// Who serves a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicasPlan {
    /// Servers that somebody else starts.
    Static(Vec<StaticReplica>),
    /// Replicas that a provider of Ringway starts.
    Owned {
        /// The provider's name: "process", "docker".
        provider: &'static str,
        /// How many there are to begin with.
        count: usize,
        /// How they are started again and stopped.
        supervision: Supervision,
        /// Whether starts wait for those of other services where many are under way. Those of a provider that bounds its
        /// own do not: one whose starts take minutes would hold up the others.
        queues_starts: bool,
    },
}

/// A server that somebody else starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticReplica {
    /// The stable name.
    pub name: Box<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share.
    pub weight: u32,
}
