//! What a run tells while it goes on.

use std::time::Duration;

use super::latency::Latencies;

/// How far a thread has come, or all of them after [`Progress::merge`].
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Since the phase began.
    pub elapsed: Duration,
    /// Connections that are open.
    pub connected: u64,
    /// Requests begun since the measurement began.
    pub begun: u64,
    /// Answers with status 1xx to 3xx since then.
    pub answered: u64,
    /// Answers with status 4xx and 5xx since then.
    pub refused: u64,
    /// Failures since then.
    pub failed: u64,
    /// Requests that are due and wait for a connection (open loop).
    pub overdue: u64,
    /// Latencies since the last report.
    pub recent: Latencies,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Connections are made.
    #[default]
    Connecting,
    /// Requests are sent and not counted.
    WarmingUp,
    /// Requests are counted.
    Measuring,
    /// None is begun any more; the last answers are waited for.
    Finishing,
}

impl Progress {
    /// Adds what another thread tells of the same moment.
    pub fn merge(&mut self, other: &Progress) {
        self.phase = self.phase.min(other.phase);
        self.elapsed = self.elapsed.max(other.elapsed);
        self.connected += other.connected;
        self.begun += other.begun;
        self.answered += other.answered;
        self.refused += other.refused;
        self.failed += other.failed;
        self.overdue += other.overdue;
        self.recent.merge(&other.recent);
    }
}
