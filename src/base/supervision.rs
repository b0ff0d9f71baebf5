//! How replicas are watched, and how those that Ringway owns are started, replaced and stopped. Values only.

use std::time::Duration;

/// The heartbeat of a service's replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeartbeatPolicy {
    /// What is asked for by GET; an answer of 200 to 399 is a sign of life.
    pub path: Box<str>,
    /// Between the starts of two heartbeats.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Failures in a row after which a replica that answers nothing else either counts as dead.
    pub failures: u32,
}

impl Default for HeartbeatPolicy {
    fn default() -> Self {
        HeartbeatPolicy {
            path: "/heartbeat".into(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            failures: 3,
        }
    }
}

/// How a service's own replicas are kept running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// From the start of a replica to its first heartbeat; beyond it the start has failed.
    pub startup: Duration,
    /// How long a replica has to be active for its failures before that to be forgotten.
    pub stable: Duration,
    /// The first pause before a repeated start; it doubles with each failure.
    pub backoff_min: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Starts that failed in a row, or replicas that died before they were stable, that make a crash loop: a name for the
    /// operator, the starts go on.
    pub crash_loop: u32,
    /// How long the exchanges on a replica that is to go may take to finish.
    pub drain: Duration,
    /// From the stop signal to the kill.
    pub stop_timeout: Duration,
    /// The signal that asks a replica to stop.
    pub stop_signal: StopSignal,
    /// What becomes of the replicas when Ringway stops.
    pub on_exit: OnExit,
}

impl Default for Supervision {
    fn default() -> Self {
        Supervision {
            startup: Duration::from_secs(30),
            stable: Duration::from_secs(10),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            crash_loop: 5,
            drain: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
            stop_signal: StopSignal::Int,
            on_exit: OnExit::Stop,
        }
    }
}

/// What becomes of a service's own replicas when Ringway stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExit {
    /// They are stopped, after the last client's exchange.
    #[default]
    Stop,
    /// They go on, and the next start takes them over.
    Keep,
}

/// The signals that may ask a replica to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the system's")]
pub enum StopSignal {
    #[default]
    Int,
    Term,
    Quit,
    Hup,
    Usr1,
    Usr2,
}
