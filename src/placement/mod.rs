//! From a request to its replicas: service, key hash, slot, ordered replicas. Pure but for [`published`], which hands
//! the one immutable [`snapshot::Snapshot`] to the cores.

pub mod hash;
pub mod observation;
pub mod published;
pub mod rendezvous;
pub mod route;
pub mod snapshot;

pub use hash::KeyHash;
pub use observation::{Observation, ObservationKind};
pub use published::{Published, SnapshotReader, Subscriber};
pub use snapshot::{Replica, ReplicaId, ReplicaSpec, Service, ServiceSpec, Snapshot};
