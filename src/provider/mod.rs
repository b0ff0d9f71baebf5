//! What starts and stops replicas. The values here are what the control thread's machine speaks in; how a kind of replica
//! is really run is in the module of its name.
//!
//! The order that keeps a crash of Ringway from losing or doubling a replica: an [`Intent`] is made and made durable
//! before its start is asked for; what is started carries the intent's nonce in its environment or in a label; and a later
//! process finds by the nonce, or by the [`Record`] if that was written yet, whatever is running.

mod container_id;
pub mod docker;
mod log_lines;
pub mod process;

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::base::replica_name::ReplicaName;

pub use container_id::{ContainerId, ContainerIdError, ShortContainerId};

/// One server of a replica: a restarted one is another instance. Unique among all services of a state directory, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u64);

/// What a start is about to do; durable before it does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Tells the instance from everything else that runs: 32 hex digits, random.
    pub nonce: Box<str>,
    /// What it will be, and where.
    #[serde(flatten)]
    pub place: IntendedPlace,
}

/// What an instance is going to be. The state file tells the kinds apart by their members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntendedPlace {
    /// A child process on this machine.
    Process {
        /// The port that it is given.
        port: u16,
    },
    /// A container.
    Container {
        /// The address of its engine, as [`EngineAddress`](crate::base::engine_address::EngineAddress) writes it: it is
        /// looked for there even if the configuration names another engine by then.
        engine: Box<str>,
    },
}

impl Intent {
    /// The port that a process is given; a container has its own.
    pub fn port(&self) -> Option<u16> {
        match self.place {
            IntendedPlace::Process { port } => Some(port),
            IntendedPlace::Container { .. } => None,
        }
    }
}

/// How a running instance is recognized by a later process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum Record {
    /// A child process.
    Process {
        /// Its id, which the system gives away again after its end.
        pid: u32,
        /// When it was started, in clock ticks since the machine's (`/proc/PID/stat`, field 22).
        start_ticks: u64,
        /// Which start of the machine that was (`/proc/sys/kernel/random/boot_id`).
        boot_id: Box<str>,
    },
    /// A container.
    Docker {
        /// Its id, which its engine gives to no other.
        container: ContainerId,
    },
}

impl Record {
    /// What an operator finds the instance by.
    pub fn runs_as(&self) -> RunsAs {
        match self {
            Record::Process { pid, .. } => RunsAs::Process(*pid),
            Record::Docker { container } => RunsAs::Container(container.short()),
        }
    }
}

/// What an operator finds a running instance by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsAs {
    /// A process's id.
    Process(u32),
    /// The beginning of a container's id.
    Container(ShortContainerId),
}

impl fmt::Display for RunsAs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunsAs::Process(pid) => write!(formatter, "process {pid}"),
            RunsAs::Container(id) => write!(formatter, "container {id}"),
        }
    }
}

/// An instance as a provider is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Which one.
    pub id: InstanceId,
    /// Whose service.
    pub service: Box<str>,
    /// Its replica's stable name.
    pub name: ReplicaName,
    /// What was made durable for it.
    pub intent: Intent,
}

/// How hard an instance is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The service's stop signal.
    Ask,
    /// SIGKILL.
    Kill,
}

/// What a provider reports. Each instance that was started or adopted ends with exactly one `Ended`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderEvent {
    /// It runs; whether it serves is for heartbeats to find out.
    Started {
        /// Which one.
        id: InstanceId,
        /// Where it will listen.
        address: SocketAddr,
        /// How it is found again.
        record: Record,
    },
    /// An instance of an earlier process was found running, and is watched from now on.
    Adopted {
        /// Which one.
        id: InstanceId,
        /// Where it listens.
        address: SocketAddr,
        /// How it is found again.
        record: Record,
    },
    /// Its process has ended, and `Ended` follows as soon as it is known how: nothing may be sent to its address any more,
    /// which somebody else may have by then.
    Down {
        /// Which one.
        id: InstanceId,
    },
    /// Nothing of it runs (any more): it exited, was killed, could not be started, or was not found by an adoption.
    Ended {
        /// Which one.
        id: InstanceId,
        /// Why, for the operator: "exited with code 1", "killed by SIGKILL", "cannot start ./server: No such file".
        reason: String,
        /// The last lines that it logged, oldest first; at most [`LOG_LINES_MAX`].
        log_tail: Vec<String>,
    },
}

/// The most lines of a log that a [`ProviderEvent::Ended`] holds.
pub const LOG_LINES_MAX: usize = 20;
