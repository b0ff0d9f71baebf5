//! Why a request got no answer.

use std::fmt;

use crate::engine::IoError;

/// What became of a request that was not answered. An answer of any status is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// Nobody listens there.
    ConnectRefused,
    /// No connection within the time-out.
    ConnectTimedOut,
    /// No connection for another reason of the network's.
    ConnectFailed,
    /// This machine ran out of descriptors, ports or memory: the fault is the client's.
    Exhausted,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer began.
    ClosedBeforeAnswer,
    /// The connection was closed within the answer.
    ClosedWithinAnswer,
    /// No whole answer within the time-out.
    TimedOut,
    /// What came is no HTTP/1.1, or its framing cannot be trusted.
    Malformed,
    /// It was due when the run ended, and every connection was busy until then (open loop).
    NeverSent,
}

impl FailureKind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [FailureKind; 10] = [
        FailureKind::ConnectRefused,
        FailureKind::ConnectTimedOut,
        FailureKind::ConnectFailed,
        FailureKind::Exhausted,
        FailureKind::Reset,
        FailureKind::ClosedBeforeAnswer,
        FailureKind::ClosedWithinAnswer,
        FailureKind::TimedOut,
        FailureKind::Malformed,
        FailureKind::NeverSent,
    ];

    /// The kind of an error while connecting.
    pub fn of_connect(error: IoError) -> FailureKind {
        match error {
            IoError::Refused => FailureKind::ConnectRefused,
            IoError::TimedOut => FailureKind::ConnectTimedOut,
            IoError::Exhausted => FailureKind::Exhausted,
            IoError::Reset | IoError::Unreachable | IoError::Closed | IoError::Other(_) => {
                FailureKind::ConnectFailed
            }
        }
    }

    /// Its name in JSON and CSV.
    pub const fn name(self) -> &'static str {
        match self {
            FailureKind::ConnectRefused => "connect_refused",
            FailureKind::ConnectTimedOut => "connect_timed_out",
            FailureKind::ConnectFailed => "connect_failed",
            FailureKind::Exhausted => "client_exhausted",
            FailureKind::Reset => "reset",
            FailureKind::ClosedBeforeAnswer => "closed_before_answer",
            FailureKind::ClosedWithinAnswer => "closed_within_answer",
            FailureKind::TimedOut => "timed_out",
            FailureKind::Malformed => "malformed_answer",
            FailureKind::NeverSent => "never_sent",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FailureKind::ConnectRefused => "connection refused",
            FailureKind::ConnectTimedOut => "no connection in time",
            FailureKind::ConnectFailed => "no connection",
            FailureKind::Exhausted => "out of descriptors, ports or memory here",
            FailureKind::Reset => "connection reset",
            FailureKind::ClosedBeforeAnswer => "closed before the answer",
            FailureKind::ClosedWithinAnswer => "closed within the answer",
            FailureKind::TimedOut => "no answer in time",
            FailureKind::Malformed => "the answer is no valid HTTP/1.1",
            FailureKind::NeverSent => "due, but never sent: every connection was busy",
        })
    }
}

/// One request's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind it is.
    pub kind: FailureKind,
    /// What exactly was wrong, for a person; may repeat the kind.
    pub detail: String,
}
