//! What a core saw of a replica, for the control thread to look into.

use std::sync::Arc;

use super::snapshot::Replica;

/// One thing that a core saw while it served. Never a verdict: it makes the control thread look.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The replica that it is about.
    pub replica: Arc<Replica>,
    /// What was seen.
    pub kind: ObservationKind,
}

/// The kinds of things that a core sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObservationKind {
    /// It refused the connection, or no route leads to it. The core has cleared its health bit.
    Unreachable,
    /// It did not accept a connection in time: it may be overloaded, or gone.
    ConnectTimedOut,
    /// It closed a new connection before it answered.
    ClosedEarly,
    /// It did not answer in time.
    FirstByteTimedOut,
    /// What it answered is not HTTP, or broke off.
    BadAnswer,
}
