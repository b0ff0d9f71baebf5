//! What the two ends of a simulated connection may do: read, write, end, close.

use std::task::{Context, Poll};

use xxhash_rust::xxh3::xxh3_64;

use super::link::{Payload, Side};
use super::trace::Kind;
use super::world::{Condition, Due, World};
use crate::base::time::Moment;
use crate::engine::IoError;

/// A blocked writer is woken when this share of its capacity is free, so that short reads don't cause shorter writes.
const WAKE_SHARE: usize = 3;

impl World {
    /// Reads into `block`; zero is the end of the stream.
    pub(super) fn read(
        &mut self,
        id: u64,
        side: Side,
        block: &mut [u8],
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, IoError>> {
        let paused = self.is_paused(id, side);
        let Some(link) = self.links.get_mut(&id) else { return Poll::Ready(Err(IoError::Reset)) };
        let end = link.end(side);
        if paused || end.is_quiet() {
            end.wait_to_read(context);
            return Poll::Pending;
        }
        let mut length = end.received.len().min(block.len());
        if length == 0 {
            return Poll::Ready(if end.broken { Err(IoError::Reset) } else { Ok(0) });
        }
        if self.random.chance(self.faults.short_read) {
            length = self.random.up_to(length as u64) as usize;
        }
        for (to, from) in block.iter_mut().zip(end.received.drain(..length)) {
            *to = from;
        }
        let capacity = self.faults.capacity_bytes.max(1);
        if capacity.saturating_sub(link.held(side.other())) * WAKE_SHARE >= capacity {
            link.end(side.other()).wake_writer();
        }
        self.trace.note(self.now, Kind::Read, id, side as u8, length as u64);
        Poll::Ready(Ok(length))
    }

    /// Takes bytes from the front of `parts` and returns how many.
    pub(super) fn write(
        &mut self,
        id: u64,
        side: Side,
        parts: [&[u8]; 3],
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, IoError>> {
        let paused = self.is_paused(id, side);
        let Some(link) = self.links.get_mut(&id) else { return Poll::Ready(Err(IoError::Closed)) };
        let free = self.faults.capacity_bytes.max(1).saturating_sub(link.held(side));
        let end = link.end(side);
        if end.broken && !end.told {
            end.told = true;
            return Poll::Ready(Err(IoError::Reset));
        }
        if end.broken || end.shut {
            return Poll::Ready(Err(IoError::Closed));
        }
        if paused || free == 0 || end.blocked_until > self.now {
            end.wait_to_write(context);
            return Poll::Pending;
        }
        let mut length = free.min(parts.iter().map(|part| part.len()).sum());
        if self.random.chance(self.faults.short_write) {
            length = self.random.up_to(length as u64) as usize;
            self.block_writes(id, side);
        }
        let mut bytes = Vec::with_capacity(length);
        for part in parts {
            bytes.extend_from_slice(&part[..part.len().min(length - bytes.len())]);
        }
        self.trace.note(self.now, Kind::Write, id, side as u8, xxh3_64(&bytes));
        self.send(id, side, bytes);
        Poll::Ready(Ok(length))
    }

    /// Ends the stream from `side`.
    pub(super) fn shut(&mut self, id: u64, side: Side) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let end = link.end(side);
        if end.shut || end.broken {
            return;
        }
        end.shut = true;
        self.trace.note(self.now, Kind::Shut, id, side as u8, 0);
        self.launch(id, side, Payload::End);
    }

    /// Nobody holds this end any more. With bytes left unread that is a reset, as on Linux.
    pub(super) fn close(&mut self, id: u64, side: Side) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let end = link.end(side);
        let aborts = !end.received.is_empty();
        let ends = !end.shut && !end.broken;
        end.open = false;
        self.trace.note(self.now, Kind::Close, id, side as u8, u64::from(aborts));
        if aborts {
            self.abort(id, side);
        } else if ends {
            self.launch(id, side, Payload::End);
        }
        if self.links.get(&id).is_some_and(|link| link.is_abandoned()) {
            self.links.remove(&id);
        }
    }

    /// Sends a reset from `side`, in place of all that is under way from it.
    pub(super) fn abort(&mut self, id: u64, side: Side) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.end(side).lose_flight();
        let arrives = self.now + self.transit();
        self.schedule(arrives, Due::Break(id, side.other()));
    }

    fn is_paused(&self, id: u64, side: Side) -> bool {
        self.links.get(&id).is_some_and(|link| self.has(link.address(side), Condition::Paused))
    }

    fn block_writes(&mut self, id: u64, side: Side) {
        let until = self.now + self.delay();
        if let Some(link) = self.links.get_mut(&id) {
            link.end(side).blocked_until = until;
        }
        self.schedule(until, Due::Writable(id, side));
    }

    /// Puts what was written on its way, with the faults that befall it.
    fn send(&mut self, id: u64, side: Side, mut bytes: Vec<u8>) {
        if self.links.get(&id).is_some_and(|link| link.cut) {
            let answered = self.now + self.faults.latency;
            self.schedule(answered, Due::Break(id, side));
            return;
        }
        if self.random.chance(self.faults.reset) {
            for side in [side, side.other()] {
                let at = self.now + self.delay();
                self.schedule(at, Due::Break(id, side));
            }
        }
        let cut = self.random.chance(self.faults.cut);
        if cut {
            bytes.truncate(self.random.below(bytes.len() as u64 + 1) as usize);
            self.trace.note(self.now, Kind::Cut, id, side as u8, bytes.len() as u64);
        }
        self.launch_bytes(id, side, bytes);
        if cut {
            self.launch(id, side, Payload::End);
            self.launch(id, side.other(), Payload::End);
            if let Some(link) = self.links.get_mut(&id) {
                link.cut = true;
            }
        }
    }

    /// One segment, or drop by drop on a slow connection.
    fn launch_bytes(&mut self, id: u64, side: Side, bytes: Vec<u8>) {
        if !self.links.get(&id).is_some_and(|link| link.slow) {
            self.launch(id, side, Payload::Bytes(bytes));
            return;
        }
        let mut rest = &bytes[..];
        let mut earliest = self.now + self.faults.latency;
        while !rest.is_empty() {
            let most = self.faults.drip_bytes_max.min(rest.len());
            let (drip, after) = rest.split_at(self.random.up_to(most as u64) as usize);
            rest = after;
            earliest =
                self.launch_at(id, side, Payload::Bytes(drip.to_vec()), earliest) + self.faults.drip_interval;
        }
    }

    fn launch(&mut self, id: u64, side: Side, payload: Payload) {
        let arrives = self.now + self.transit();
        self.launch_at(id, side, payload, arrives);
    }

    fn launch_at(&mut self, id: u64, side: Side, payload: Payload, earliest: Moment) -> Moment {
        let Some(link) = self.links.get_mut(&id) else { return earliest };
        let arrives = link.end(side).launch(payload, earliest);
        self.schedule(arrives, Due::Arrive(id, side.other()));
        arrives
    }
}
