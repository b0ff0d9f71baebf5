//! What one core counts. The core alone writes; the control thread adds the cores up when somebody asks, and the other cores look
//! at how many connections it has when they accept one.

use crossbeam::utils::CachePadded;

use super::counter::{Counter, Histogram};

/// The phases of an exchange that have a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request head that began and did not end.
    RequestHead,
    /// A request body that stalled.
    RequestBody,
    /// The queue for an upstream connection.
    Queue,
    /// Making an upstream connection.
    Connect,
    /// From the end of the request to the response head.
    FirstByte,
    /// A body that stalled on the upstream's side.
    BetweenBytes,
    /// A client that does not take its answer.
    ClientWrite,
    /// A tunnel without a byte in either direction.
    Tunnel,
}

impl Phase {
    /// All phases, in the order of their counters.
    pub const ALL: [Phase; 8] = [
        Phase::RequestHead,
        Phase::RequestBody,
        Phase::Queue,
        Phase::Connect,
        Phase::FirstByte,
        Phase::BetweenBytes,
        Phase::ClientWrite,
        Phase::Tunnel,
    ];

    /// The phase's name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::RequestHead => "request_head",
            Phase::RequestBody => "request_body",
            Phase::Queue => "queue",
            Phase::Connect => "connect",
            Phase::FirstByte => "first_byte",
            Phase::BetweenBytes => "between_bytes",
            Phase::ClientWrite => "client_write",
            Phase::Tunnel => "tunnel",
        }
    }
}

/// Why a client connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionLimit {
    /// The core has as many as it may.
    OfCore,
    /// Its address has as many as it may.
    OfAddress,
}

impl ConnectionLimit {
    /// All limits, in the order of their counters.
    pub const ALL: [ConnectionLimit; 2] = [ConnectionLimit::OfCore, ConnectionLimit::OfAddress];

    /// The key of `[client]` that sets it, which is its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            ConnectionLimit::OfCore => "connections_max",
            ConnectionLimit::OfAddress => "connections_per_address",
        }
    }
}

/// One core's counters, on cache lines of their own.
#[derive(Debug, Default)]
pub struct CoreCounters(CachePadded<Counts>);

impl std::ops::Deref for CoreCounters {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.0
    }
}

/// The counts themselves. Totals since the start, but for the gauges that say so.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests whose head was read.
    pub requests: Counter,
    /// Final answers by the status code's hundreds: 1xx (only 101) to 5xx.
    pub answers: [Counter; 5],
    /// Bytes received from clients.
    pub client_bytes_in: Counter,
    /// Bytes sent to clients.
    pub client_bytes_out: Counter,
    /// Client connections accepted, those included that were refused.
    pub connections_accepted: Counter,
    /// Client connections that were accepted here and handed to another core, where they count as accepted.
    pub connections_handed_over: Counter,
    /// Client connections open now that are served (a gauge).
    pub connections_open: Counter,
    /// Client connections that were refused, by [`ConnectionLimit`].
    pub connections_refused: [Counter; ConnectionLimit::ALL.len()],
    /// Failures to accept: descriptors or memory were short.
    pub accept_failures: Counter,
    /// Exchanges under way now (a gauge).
    pub exchanges_open: Counter,
    /// Upstream connections made.
    pub upstream_connects: Counter,
    /// Upstream connections that could not be made.
    pub upstream_connect_failures: Counter,
    /// Upstream connections open now, busy or idle (a gauge).
    pub upstream_open: Counter,
    /// Exchanges on an upstream connection that had served before.
    pub upstream_reuses: Counter,
    /// Attempts after the first.
    pub retries: Counter,
    /// Retries that the budget refused.
    pub retries_refused: Counter,
    /// Deadlines that passed, by [`Phase`].
    pub timeouts: [Counter; Phase::ALL.len()],
    /// Answers cut after their head was sent: the client saw a failure that no status code tells.
    pub aborted_after_head: Counter,
    /// Exchanges that the client left before its answer was complete.
    pub client_aborts: Counter,
    /// Requests refused because they broke the protocol.
    pub bad_requests: Counter,
    /// Tunnels begun (101).
    pub tunnels: Counter,
    /// Observations that did not fit into the channel to the control thread.
    pub observations_dropped: Counter,
    /// From a request's first byte to its answer's last.
    pub latency: Histogram,
    /// The snapshot generation that this core uses (a gauge): it makes no pick by an older one any more. What was
    /// picked before is in flight.
    pub generation: Counter,
}

impl Counts {
    /// Counts a deadline that passed in `phase`.
    pub fn timed_out(&self, phase: Phase) {
        self.timeouts[phase as usize].increment();
    }

    /// Counts a final answer with this status code.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.answers[class].increment();
    }
}
