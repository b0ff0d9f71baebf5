//! How a client has to bring its body: without long pauses, and at a least rate.

use super::attempt::ClientFault;
use super::core::Core;
use crate::base::core_counters::Phase;
use crate::base::time::Moment;
use crate::engine::{Engine, Filled, Inbound, IoError, Timer};

/// How far a request body has come, as time goes.
///
/// Only the time counts in which the client is waited for: neither that in which a replica does not take what came, nor
/// that before the first bytes, which a client may hold back until it is told to continue. No clock is read for it, and
/// while bytes are there it costs a comparison.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the rate is looked at next; never before the first bytes.
    window_end: Moment,
    /// What the connection had received when the window began.
    received: u64,
    /// When bytes came last.
    came: Moment,
}

impl Pace {
    /// A body of which nothing was waited for yet.
    pub(super) fn new() -> Self {
        Pace { window_end: Moment::NEVER, received: 0, came: Moment::ORIGIN }
    }

    /// Waits for more of a body.
    pub(super) async fn fill<E: Engine>(
        &mut self,
        core: &Core<E>,
        inbound: &mut Inbound<E::Reader>,
        timer: &mut Timer,
    ) -> Result<(), ClientFault> {
        let (stalled, before) = (core.now() + core.client.body, inbound.received());
        self.go_on(core.now());
        loop {
            match inbound.fill(timer, stalled.min(self.window_end)).await {
                Ok(Filled::More) => {
                    self.came = core.now();
                    if self.window_end == Moment::NEVER {
                        self.begin_window(core, before);
                    }
                    return Ok(());
                }
                Err(IoError::TimedOut) if core.now() < stalled && self.kept(core, inbound.received()) => {}
                Err(IoError::TimedOut) => {
                    core.counters.timed_out(Phase::RequestBody);
                    return Err(ClientFault::Stalled);
                }
                Ok(Filled::End) | Err(_) => return Err(ClientFault::Gone),
            }
        }
    }

    /// The client is waited for again: what passed since its last bytes was not its time.
    fn go_on(&mut self, now: Moment) {
        if self.window_end != Moment::NEVER {
            self.window_end = self.window_end + (now - self.came);
        }
    }

    /// The window is over: whether it brought enough, so that the next one begins.
    fn kept<E: Engine>(&mut self, core: &Core<E>, received: u64) -> bool {
        let brought = received - self.received;
        let enough = core.client.body_rate.window_bytes_min().is_none_or(|least| brought >= least);
        self.begin_window(core, received);
        enough
    }

    fn begin_window<E: Engine>(&mut self, core: &Core<E>, received: u64) {
        let rate = &core.client.body_rate;
        if rate.bytes_per_second_min > 0 {
            self.window_end = core.now() + rate.window;
            self.received = received;
        }
    }
}
