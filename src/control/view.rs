//! What the control thread knows of the replicas, as a value for the operator's eyes.

use std::net::SocketAddr;

use crate::base::algorithm::Algorithm;
use crate::provider::RunsAs;

/// All services, as they are at a moment. The control thread replaces the whole value when something changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// In the order of the configuration.
    pub services: Vec<ServiceView>,
    /// Why the state file could not be written last time, if so.
    pub storage_fault: Option<String>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// Its name.
    pub name: Box<str>,
    /// Who starts its replicas: "static", "process", "docker".
    pub provider: &'static str,
    /// How keys are spread.
    pub algorithm: Algorithm,
    /// Its members in the order in which they came, then those that are on their way out.
    pub replicas: Vec<ReplicaView>,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaView {
    /// Its stable name.
    pub name: Box<str>,
    /// The number that its name got.
    pub ordinal: u32,
    /// Which instance of it runs or ran last.
    pub incarnation: u64,
    /// Where it is in its life.
    pub state: ReplicaState,
    /// Whether it is a member still; if not, it is on its way out.
    pub member: bool,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// What it is found by, if it is Ringway's own and runs.
    pub runs_as: Option<RunsAs>,
    /// How often it was started again.
    pub restarts: u64,
    /// Heartbeats that failed in a row.
    pub missed_heartbeats: u32,
    /// Milliseconds until the next start, while it waits for that.
    pub next_start_ms: Option<u64>,
    /// How its last instance ended, if that was not asked for.
    pub last_failure: Option<Failure>,
}

/// How an instance ended that was to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: String,
    /// The last lines that it logged, oldest first.
    pub log_tail: Vec<String>,
}

/// A replica's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// It waits for its next start after a failure.
    Waiting,
    /// It failed so often in a row that an operator should look; starts go on with long pauses.
    CrashLoop,
    /// It was started and has not answered a heartbeat yet.
    Starting,
    /// It serves.
    Active,
    /// It serves, but something speaks against it.
    Suspect,
    /// It is not picked, because it does not answer; a static replica is probed until it does.
    Down,
    /// It is not picked any more, and finishes what it has.
    Draining,
    /// It was told to end.
    Stopping,
}

impl ReplicaState {
    /// The word for the operator.
    pub const fn name(self) -> &'static str {
        match self {
            ReplicaState::Waiting => "waiting",
            ReplicaState::CrashLoop => "crash-loop",
            ReplicaState::Starting => "starting",
            ReplicaState::Active => "active",
            ReplicaState::Suspect => "suspect",
            ReplicaState::Down => "down",
            ReplicaState::Draining => "draining",
            ReplicaState::Stopping => "stopping",
        }
    }
}
