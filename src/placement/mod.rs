//! From a request to its replicas: service, key hash, slot, ordered replicas. Pure but for [`published`], which hands
//! the one immutable [`snapshot::Snapshot`] to the cores.

pub mod bounded_load;
pub mod digest;
pub mod explain;
pub mod hash;
pub mod ketama;
pub mod maglev;
pub mod modulo;
pub mod observation;
pub mod preview;
#[cfg(test)]
mod properties;
pub mod published;
pub mod rendezvous;
pub mod ring;
pub mod route;
pub mod slots;
pub mod snapshot;
pub mod table;

pub use bounded_load::LoadBounds;
pub use explain::Explanation;
pub use hash::{KeyHash, KeyHasher};
pub use observation::{Observation, ObservationKind};
pub use preview::{Arrangement, Preview};
pub use published::{Published, SnapshotReader, Subscriber};
pub use route::RouteRule;
pub use snapshot::{PlacementError, Replica, ReplicaId, ReplicaSpec, Service, ServiceSpec, Snapshot};
pub use table::{Member, Order, Table, TableError};
