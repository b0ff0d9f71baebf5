//! What an operator may ask of the control thread, and what can be wrong with it.

use thiserror::Error;

use crate::base::replica_name::{ReplicaName, ReplicaNameError};
use crate::placement::TableError;

/// One call. `service` may be left out where only one service's replicas are Ringway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service that is meant.
    pub service: Option<Box<str>>,
    /// What shall become of it.
    pub change: Change,
    /// Answer only when every replica that was added is active, every removed one gone.
    pub wait: bool,
}

/// A change of a service's replicas: all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `n` replicas more: `names`, and made-up ones.
    Add {
        /// How many.
        n: i64,
        /// The names of some of them, as written.
        names: Vec<String>,
    },
    /// `n` replicas less: `names`, and random ones.
    Remove {
        /// How many.
        n: i64,
        /// The names of some of them, as written.
        names: Vec<String>,
    },
}

/// What a call came to: the service's replicas afterwards, in the order in which they came.
pub type CallAnswer = Result<Vec<ReplicaName>, CallError>;

/// Why a call changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// `n` is 0 or less.
    #[error("n is {0}; write how many replicas, 1 at least")]
    NotPositive(i64),
    /// More names than `n`.
    #[error("there are {names} hostnames for n = {n}; write at most n")]
    MoreNamesThanN {
        /// How many names.
        names: usize,
        /// `n`.
        n: i64,
    },
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] ReplicaNameError),
    /// A name twice in the call.
    #[error("hostname '{0}' is there twice")]
    Duplicate(ReplicaName),
    /// The name of a replica that there is, or that is on its way out.
    #[error("a replica '{0}' exists already")]
    Exists(ReplicaName),
    /// The name of no replica.
    #[error("there is no replica '{0}'")]
    Unknown(ReplicaName),
    /// More to remove than there are.
    #[error("n is {n}, but there are {replicas} replicas")]
    TooFew {
        /// `n`.
        n: i64,
        /// How many there are.
        replicas: usize,
    },
    /// More replicas than a service may have.
    #[error("a service has at most {max} replicas; there are {replicas}")]
    TooMany {
        /// How many there are.
        replicas: usize,
        /// The most.
        max: usize,
    },
    /// The placement cannot take them.
    #[error(transparent)]
    Placement(#[from] TableError),
    /// No service of this name.
    #[error("there is no service '{}'", .0.escape_default().take(80).collect::<String>())]
    NoService(Box<str>),
    /// Several services, and none named.
    #[error("there are several services ({0}); name one with ?service=NAME")]
    Ambiguous(String),
    /// A service whose replicas somebody else starts.
    #[error("the replicas of service '{0}' are static; change its addresses in the configuration")]
    Static(Box<str>),
    /// The change could not be made durable, so it was not made.
    #[error("the change was not made, because it cannot be stored: {0}")]
    Storage(String),
    /// So many calls wait that no other can.
    #[error("{0} calls wait already; try again")]
    Busy(usize),
    /// Ringway is stopping.
    #[error("Ringway is stopping; no replica is added or removed any more")]
    Stopping,
    /// The change is made and durable, but the replicas were not active (or gone) in time.
    #[error("the change is made, but not complete after {0} s; see /status")]
    NotInTime(u64),
}

impl CallError {
    /// Whether the caller is to blame (400); else Ringway cannot do it now (503).
    pub fn is_callers(&self) -> bool {
        use CallError::{Busy, NotInTime, Stopping, Storage};
        !matches!(self, Storage(_) | Busy(_) | Stopping | NotInTime(_))
    }
}
