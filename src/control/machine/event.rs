//! What the machine is told, and what it wants done. All of it values: the control thread's shell, or a simulation, carries
//! them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::supervision::HeartbeatPolicy;
use crate::control::call::{Call, CallAnswer};
use crate::control::durable::DurableState;
use crate::placement::{ObservationKind, ReplicaSpec};
use crate::provider::{Ending, Instance, InstanceId, Intent, ProviderEvent, Record};

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Time has passed: the moment that [`Machine::deadline`](super::Machine::deadline) named has come.
    Tick,
    /// An operator asks for a change.
    Call {
        /// For the answer.
        id: CallId,
        /// What is asked for.
        call: Call,
        /// The milliseconds of the time of day, of which made-up names have the last three digits.
        clock_ms: u32,
    },
    /// The newest [`Action::Persist`] is durable (`Ok`), or is not. If not, the file may hold either state: the next
    /// [`Action::Persist`] puts that right.
    Persisted {
        /// The version of the action.
        version: u64,
        /// Why not.
        result: Result<(), String>,
    },
    /// The answer to [`Action::Prepare`]. An intent that nobody wants any more is answered with [`Action::Discard`].
    Prepared {
        /// Which instance.
        id: InstanceId,
        /// What its start will do, or why it cannot be started (no port is free).
        result: Result<Intent, String>,
    },
    /// A provider reports.
    Provider(ProviderEvent),
    /// A heartbeat is over.
    Heartbeat(Heartbeat),
    /// A core saw something of an instance that is published.
    Observed {
        /// Which one.
        id: InstanceId,
        /// What.
        kind: ObservationKind,
    },
    /// Of an instance of [`Action::AwaitIdle`]: no core can begin a send to it any more, and nothing is under way on it.
    Idle {
        /// Which one.
        id: InstanceId,
    },
    /// The cores have ended; the program wants to.
    Shutdown,
}

/// How a heartbeat went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Of which instance.
    pub id: InstanceId,
    /// Whether it answered in time, with a status from 200 to 399 (of a connect probe: whether it accepted).
    pub answered: bool,
    /// For the operator, if it did not: "refused the connection", "answered with 503", "no answer within 500 ms".
    pub reason: String,
    /// How much later than its deadline at most the shell came to look. A failure that comes with a long one may be the
    /// machine's own slowness, and counts for nothing. [`Duration::MAX`]: the shell could not ask, for want of a
    /// descriptor, say.
    pub lag: Duration,
    /// How many answers clients had from this instance so far.
    pub answers: u64,
}

/// What a heartbeat asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// An answer to GET of a path.
    Http {
        /// The path.
        path: Box<str>,
    },
    /// That a connection is accepted.
    Connect,
}

impl Probe {
    /// The probe of a service with this policy, or none.
    pub fn of(policy: Option<&HeartbeatPolicy>) -> Self {
        policy.map_or(Probe::Connect, |policy| Probe::Http { path: policy.path.clone() })
    }
}

/// Something that is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make `state` durable; then [`Event::Persisted`]. No other follows before that.
    Persist {
        /// Counts up.
        version: u64,
        /// All of it.
        state: DurableState,
    },
    /// Publish the members of all services as they are in [`Machine::members`](super::Machine::members) now.
    Publish,
    /// Set or clear the health bit of a published instance.
    SetHealth {
        /// Which one.
        id: InstanceId,
        /// Up or down.
        up: bool,
    },
    /// Make an intent for an instance of a service; then [`Event::Prepared`].
    Prepare {
        /// Which one.
        id: InstanceId,
        /// Whose provider is asked.
        service: Box<str>,
    },
    /// Give an intent back that will not be started.
    Discard {
        /// Whose provider made it.
        service: Box<str>,
        /// The intent.
        intent: Intent,
    },
    /// Start an instance whose intent is durable; then [`ProviderEvent::Started`] or [`ProviderEvent::Ended`].
    Start(Instance),
    /// Look for an instance of an earlier process; then [`ProviderEvent::Adopted`] or [`ProviderEvent::Ended`].
    Adopt {
        /// Which one.
        instance: Instance,
        /// How to recognize it, if that was recorded.
        record: Option<Record>,
    },
    /// Ask or force an instance to end.
    End {
        /// Which one.
        id: InstanceId,
        /// Whose provider is asked.
        service: Box<str>,
        /// How hard.
        ending: Ending,
    },
    /// Send a heartbeat; then [`Event::Heartbeat`].
    Heartbeat {
        /// To which instance.
        id: InstanceId,
        /// Where it listens.
        address: SocketAddr,
        /// What to ask.
        probe: Probe,
        /// How long it may take.
        timeout: Duration,
    },
    /// Tell with [`Event::Idle`] when no core uses the instance any more. It follows the [`Action::Publish`] that takes
    /// the instance's address, or the whole member, out of the snapshot.
    AwaitIdle {
        /// Which one.
        id: InstanceId,
    },
    /// Answer a call.
    Answer {
        /// Which one.
        id: CallId,
        /// With what.
        answer: CallAnswer,
    },
    /// Write a line to the log.
    Log(Note),
    /// After [`Event::Shutdown`]: nothing is left to wait for.
    Finished,
}

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether the operator should look.
    pub warning: bool,
    /// The service; empty if it is about none.
    pub service: Box<str>,
    /// The replica; empty if it is about none.
    pub replica: Box<str>,
    /// What happened.
    pub text: String,
}

/// The members of one service, for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The service.
    pub service: Box<str>,
    /// In the order of their ordinals. `incarnation` is the number of the [`InstanceId`]; `address` is there while the
    /// instance is active.
    pub replicas: Vec<ReplicaSpec>,
}
