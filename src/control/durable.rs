//! What survives a crash of Ringway: which replicas there shall be, and which instances may be running.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::replica_name::ReplicaName;
use crate::provider::{InstanceId, Intent, Record};

/// All services that Ringway owns replicas of, those that left the configuration while instances run included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableState {
    /// The number of the next instance: above every one that was ever given away.
    pub next_instance: u64,
    /// By name.
    pub services: BTreeMap<Box<str>, DurableService>,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableService {
    /// The `count` of the configuration that `members` began from: while the file says the same, calls win over it.
    pub count: u64,
    /// The replicas that there shall be, in the order in which they came.
    pub members: Vec<DurableMember>,
    /// What may be running: begun, and not known to have ended.
    pub instances: Vec<DurableInstance>,
}

/// A replica that there shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableMember {
    /// Its name.
    pub name: ReplicaName,
    /// The number that the name got when it came; from 1, unique in the service.
    pub ordinal: u32,
}

/// An instance that may be running. Its name need not be a member's any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableInstance {
    /// Which one.
    pub id: InstanceId,
    /// Whose.
    pub name: ReplicaName,
    /// What its start was about to do.
    pub intent: Intent,
    /// How it is recognized; `None`: it may have been lost between its start and its record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
}
