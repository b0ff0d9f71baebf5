//! What a run does, already valid.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::requests::Requests;

/// A run, for all of its threads together.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the connections go.
    pub address: SocketAddr,
    /// What is asked.
    pub requests: Requests,
    /// Threads, each with its part of the connections; not more than connections.
    pub threads: NonZeroUsize,
    /// Connections, and so requests under way at once.
    pub connections: NonZeroU32,
    /// When the next request begins.
    pub pace: Pace,
    /// When it is over.
    pub end: End,
    /// How long requests are sent before any is counted.
    pub warm_up: Duration,
    /// How long a connection, and how long an answer, may take.
    pub timeout: Duration,
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
    /// What random arrivals begin with.
    pub seed: u64,
    /// The field of an answer that names the replica.
    pub replica_field: Box<str>,
}

/// When the next request begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// A closed loop: on each connection as soon as the last one is answered. How many there are is the server's doing.
    Closed,
    /// An open loop: at moments that are fixed beforehand, whatever the server does. A request's latency counts from
    /// the moment at which it was due, so that a stall shows in every request that had to wait for it.
    Open {
        /// Requests per second, of all threads together.
        per_second: f64,
        /// How the moments are spread.
        arrivals: Arrivals,
    },
}

/// How the moments of an open loop are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    #[default]
    Even,
    /// At random, as a Poisson process: as requests of many users that know nothing of each other come.
    Poisson,
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After so long, the warm-up not counted.
    After(Duration),
    /// After so many requests, those of the warm-up not counted.
    Requests(u64),
}
