//! One connection of the simulated network, as its two ends and what travels between them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::{Context, Waker};

use crate::base::time::Moment;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// The end that connected.
    Client,
    /// The end that was accepted.
    Server,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// A connection.
pub(super) struct Link {
    ends: [End; 2],
    /// What it carries drips.
    pub(super) slow: bool,
    /// A fault closed it in the middle: what is sent from now on goes nowhere.
    pub(super) cut: bool,
}

impl Link {
    pub(super) fn new(client: SocketAddr, server: SocketAddr, slow: bool) -> Self {
        Link { ends: [End::new(client), End::new(server)], slow, cut: false }
    }

    pub(super) fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    pub(super) fn address(&self, side: Side) -> SocketAddr {
        self.ends[side as usize].address
    }

    pub(super) fn touches(&self, address: SocketAddr) -> bool {
        self.ends.iter().any(|end| end.address == address)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.ends.iter().all(|end| !end.open)
    }

    /// Bytes from `side` that the other end has not read yet.
    pub(super) fn held(&self, side: Side) -> usize {
        self.ends[side as usize].flight_bytes + self.ends[side.other() as usize].received.len()
    }
}

/// What travels.
pub(super) enum Payload {
    Bytes(Vec<u8>),
    End,
}

/// A part of the stream on its way.
struct Segment {
    arrives: Moment,
    payload: Payload,
}

/// One end of a connection.
pub(super) struct End {
    address: SocketAddr,
    /// Somebody holds it: its halves, the attempt that made it, or a listener's queue.
    pub(super) open: bool,
    /// Arrived and not read.
    pub(super) received: VecDeque<u8>,
    /// The end of the peer's stream has arrived.
    pub(super) ended: bool,
    /// A reset has arrived.
    pub(super) broken: bool,
    /// The writer has been told of the reset.
    pub(super) told: bool,
    /// The end of the stream was sent.
    pub(super) shut: bool,
    /// Writes wait until then: the rest of a short one.
    pub(super) blocked_until: Moment,
    flight: VecDeque<Segment>,
    flight_bytes: usize,
    last_arrival: Moment,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl End {
    fn new(address: SocketAddr) -> Self {
        End {
            address,
            open: true,
            received: VecDeque::new(),
            ended: false,
            broken: false,
            told: false,
            shut: false,
            blocked_until: Moment::ORIGIN,
            flight: VecDeque::new(),
            flight_bytes: 0,
            last_arrival: Moment::ORIGIN,
            reader: None,
            writer: None,
        }
    }

    /// Sends `payload` behind all that is under way and returns when it arrives: at `arrives`, or with what it would
    /// otherwise overtake.
    pub(super) fn launch(&mut self, payload: Payload, arrives: Moment) -> Moment {
        self.last_arrival = self.last_arrival.max(arrives);
        if let Payload::Bytes(bytes) = &payload {
            self.flight_bytes += bytes.len();
        }
        self.flight.push_back(Segment { arrives: self.last_arrival, payload });
        self.last_arrival
    }

    /// The next payload that has arrived by `now`.
    pub(super) fn land(&mut self, now: Moment) -> Option<Payload> {
        let segment = self.flight.pop_front_if(|segment| segment.arrives <= now)?;
        if let Payload::Bytes(bytes) = &segment.payload {
            self.flight_bytes -= bytes.len();
        }
        Some(segment.payload)
    }

    /// Loses all that is under way from here.
    pub(super) fn lose_flight(&mut self) {
        self.flight.clear();
        self.flight_bytes = 0;
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.received.is_empty() && !self.ended && !self.broken
    }

    pub(super) fn wait_to_read(&mut self, context: &Context<'_>) {
        store(&mut self.reader, context);
    }

    pub(super) fn wait_to_write(&mut self, context: &Context<'_>) {
        store(&mut self.writer, context);
    }

    pub(super) fn wake_reader(&mut self) {
        wake(&mut self.reader);
    }

    pub(super) fn wake_writer(&mut self) {
        wake(&mut self.writer);
    }
}

pub(super) fn store(slot: &mut Option<Waker>, context: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(context.waker()),
        None => *slot = Some(context.waker().clone()),
    }
}

pub(super) fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}
