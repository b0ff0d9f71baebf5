//! Why an attempt on a replica failed, and what the client is told.

use crate::message::StatusCode;

/// One failed attempt's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFault {
    /// Every replica of the service is down.
    #[error("no replica of the service is up")]
    NoneUp,
    /// The replica's connections are all busy and its queue is full.
    #[error("the queue for the replica is full")]
    QueueFull,
    /// The replica's connections stayed busy until the queue's deadline.
    #[error("the queue for the replica did not move in time")]
    QueueTimedOut,
    /// The replica refused the connection or cannot be reached.
    #[error("the replica cannot be reached")]
    ConnectFailed,
    /// The replica did not accept the connection in time.
    #[error("the replica did not accept a connection in time")]
    ConnectTimedOut,
    /// This machine has no descriptor, port or memory for a connection.
    #[error("out of descriptors, ports or memory for upstream connections")]
    Exhausted,
    /// The replica closed or reset the connection before its answer's head was complete.
    #[error("the replica closed the connection before it answered")]
    Closed,
    /// The answer's head did not come in time.
    #[error("the replica did not answer in time")]
    FirstByteTimedOut,
    /// The answer's head is no valid HTTP, or more than the bounds allow.
    #[error("the replica's answer is not valid")]
    BadAnswer,
}

impl UpstreamFault {
    /// The status code for the client (RFC 9110 15.6.3 to 15.6.5): 503 where the request was never given to a replica
    /// for want of capacity, 504 where a replica was too slow, 502 where it misbehaved.
    pub fn status(self) -> StatusCode {
        match self {
            UpstreamFault::NoneUp
            | UpstreamFault::QueueFull
            | UpstreamFault::QueueTimedOut
            | UpstreamFault::Exhausted => StatusCode::SERVICE_UNAVAILABLE,
            UpstreamFault::ConnectTimedOut | UpstreamFault::FirstByteTimedOut => StatusCode::GATEWAY_TIMEOUT,
            UpstreamFault::ConnectFailed | UpstreamFault::Closed | UpstreamFault::BadAnswer => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// Whether another attempt, on the same replica or the next, could help.
    ///
    /// Not for lack of capacity, which more attempts make worse, nor for an answer that was too slow: the replica may
    /// still be at work on it, and the client has waited a whole time-out already.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            UpstreamFault::ConnectFailed
                | UpstreamFault::ConnectTimedOut
                | UpstreamFault::Closed
                | UpstreamFault::BadAnswer
        )
    }
}
