//! From a request to its replicas: service, key hash, slot, ordered replicas. Pure but for [`published`], which hands
//! the one immutable [`snapshot::Snapshot`] to the cores.

pub mod bounded_load;
pub mod hash;
pub mod observation;
pub mod published;
pub mod rendezvous;
pub mod route;
pub mod snapshot;
pub mod table;

pub use hash::{KeyHash, KeyHasher};
pub use observation::{Observation, ObservationKind};
pub use published::{Published, SnapshotReader, Subscriber};
pub use route::RouteRule;
pub use snapshot::{PlacementError, Replica, ReplicaId, ReplicaSpec, Service, ServiceSpec, Snapshot};
pub use table::{Member, Table, TableError};
