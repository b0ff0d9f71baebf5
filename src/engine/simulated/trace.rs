//! What happened in a simulation: a digest of everything, and the last events as text.

use std::collections::VecDeque;
use std::fmt;

use crate::base::random::mix;
use crate::base::time::Moment;

/// Events kept for a report when nobody asked for more.
const KEPT_DEFAULT: usize = 32;
/// The most events that are kept, whoever asks.
pub(super) const KEPT_MAX: usize = 1 << 20;

/// What an event is. The number beside it in a trace is named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A listener opened; its port.
    Listen,
    /// A listener closed; its port.
    Unlisten,
    /// An attempt began; the port it goes to.
    Connect,
    /// An attempt was given up by its maker.
    Cancel,
    /// An attempt became a connection; its number.
    Establish,
    /// An attempt was refused.
    Refuse,
    /// A connection left the queue.
    Accept,
    /// An accept failed for want of descriptors; the listener's port.
    Exhaust,
    /// Bytes were taken; a hash of them.
    Write,
    /// Bytes arrived; how many.
    Arrive,
    /// Bytes were read; how many.
    Read,
    /// The end of the stream was sent.
    Shut,
    /// The end of the stream arrived.
    End,
    /// Both halves were dropped; one if bytes were left unread.
    Close,
    /// A fault: the stream was cut; the bytes of the write that got through.
    Cut,
    /// A reset arrived.
    Break,
    /// The test changed the condition of an address; its port.
    Control,
}

#[derive(Clone, Copy)]
struct Entry {
    at: Moment,
    kind: Kind,
    /// The connection or the attempt, and which end of it.
    subject: u64,
    side: u8,
    number: u64,
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { at, kind, subject, side, number } = self;
        write!(formatter, "{:>12} {kind:?} {subject}.{side} {number}", at.as_nanos())
    }
}

/// The events of one simulation.
pub(super) struct Trace {
    digest: u64,
    kept: VecDeque<Entry>,
    kept_max: usize,
}

impl Trace {
    pub(super) fn new(seed: u64) -> Self {
        Trace { digest: mix(seed), kept: VecDeque::new(), kept_max: KEPT_DEFAULT }
    }

    pub(super) fn note(&mut self, at: Moment, kind: Kind, subject: u64, side: u8, number: u64) {
        let words = [at.as_nanos(), u64::from(kind as u8) << 8 | u64::from(side), subject, number];
        self.digest = words.iter().fold(self.digest, |digest, word| mix(digest ^ mix(*word)).wrapping_add(1));
        if self.kept.len() == self.kept_max {
            self.kept.pop_front();
        }
        self.kept.push_back(Entry { at, kind, subject, side, number });
    }

    /// A hash of every event so far, in order.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// Keeps the last `events` events from now on.
    pub(super) fn keep(&mut self, events: usize) {
        self.kept_max = events.clamp(1, KEPT_MAX);
    }

    /// The events that were kept, one a line: nanoseconds, kind, connection and end, number.
    pub(super) fn text(&self) -> String {
        self.kept.iter().map(|entry| format!("{entry}\n")).collect()
    }
}
