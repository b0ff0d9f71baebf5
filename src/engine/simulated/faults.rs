//! What may go wrong in the simulated network, and how often.

use std::time::Duration;

/// The plan of a simulated network. Probabilities are of `0.0..=1.0`; the default has no faults.
#[derive(Clone, Debug)]
pub struct Faults {
    /// How long a segment takes one way when nothing goes wrong.
    pub latency: Duration,
    /// Bytes that one direction of a connection holds, in flight and unread together; at least one.
    pub capacity_bytes: usize,
    /// Connections that wait in a listener's queue; the attempts beyond get no answer until there is room.
    pub backlog_max: usize,
    /// The most by which a late event is late: segments, connects, resets, writes that had to pause.
    pub delay_max: Duration,
    /// Of each segment: it is late. Those behind it wait for it, for a stream keeps its order.
    pub delay: f64,
    /// Of each read: it yields only a part of what is there.
    pub short_read: f64,
    /// Of each write: a part is taken, and the rest must wait.
    pub short_write: f64,
    /// Of each write: the connection is reset soon after, for both peers.
    pub reset: f64,
    /// Of each write: the stream ends at a random byte of it, as when something between the peers closes.
    pub cut: f64,
    /// Of each connect: it is late.
    pub connect_delay: f64,
    /// Of each connect: it is refused although somebody listens.
    pub connect_refused: f64,
    /// Of each connect: it is never answered.
    pub connect_silent: f64,
    /// Of each accept: descriptors run out. The connection stays in the queue.
    pub accept_exhausted: f64,
    /// Of each connection: all it carries drips, a few bytes at a time.
    pub slow: f64,
    /// The time between two drips.
    pub drip_interval: Duration,
    /// The most bytes of one drip; at least one.
    pub drip_bytes_max: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            latency: Duration::from_micros(20),
            capacity_bytes: 128 * 1024,
            backlog_max: 4096,
            delay_max: Duration::from_millis(5),
            delay: 0.0,
            short_read: 0.0,
            short_write: 0.0,
            reset: 0.0,
            cut: 0.0,
            connect_delay: 0.0,
            connect_refused: 0.0,
            connect_silent: 0.0,
            accept_exhausted: 0.0,
            slow: 0.0,
            drip_interval: Duration::from_micros(200),
            drip_bytes_max: 64,
        }
    }
}
