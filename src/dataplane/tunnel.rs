//! A connection that has left HTTP: bytes go both ways until both sides have ended.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::client::Client;
use super::core::Core;
use super::upstream::UpstreamConnection;
use crate::base::core_counters::Phase;
use crate::base::time::Moment;
use crate::engine::{Engine, Filled, Inbound, IoError, Timer, Writer};

/// Relays bytes between a client and a replica that have agreed on another protocol. It ends when both have ended their
/// streams, when either connection breaks, or after `idle` without a byte in either direction.
pub(super) async fn tunnel<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    mut upstream: Box<UpstreamConnection<E>>,
    idle: Duration,
) {
    let activity = Activity { last: Cell::new(core.now()), idle };
    let mut timer = core.engine.handle().timer();
    let mut up = pin!(relay(core, &mut client.inbound, &mut upstream.writer, &mut timer, &activity));
    let mut down = pin!(relay(core, &mut upstream.inbound, &mut client.writer, &mut client.timer, &activity));
    let (mut up_ended, mut down_ended) = (false, false);
    poll_fn(|context| {
        if !up_ended && let Poll::Ready(ended) = up.as_mut().poll(context) {
            up_ended = true;
            if ended.is_err() {
                return Poll::Ready(());
            }
        }
        if !down_ended && let Poll::Ready(ended) = down.as_mut().poll(context) {
            down_ended = true;
            if ended.is_err() {
                return Poll::Ready(());
            }
        }
        if up_ended && down_ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

struct Activity {
    last: Cell<Moment>,
    idle: Duration,
}

impl Activity {
    fn deadline(&self) -> Moment {
        self.last.get() + self.idle
    }
}

async fn relay<E: Engine>(
    core: &Core<E>,
    inbound: &mut Inbound<E::Reader>,
    writer: &mut E::Writer,
    timer: &mut Timer,
    activity: &Activity,
) -> Result<(), IoError> {
    loop {
        match inbound.take_lent() {
            Some(lent) => writer.lend(lent),
            None => {
                let count = inbound.bytes().len();
                writer.buffer().extend_from_slice(inbound.bytes());
                inbound.consume(count);
            }
        }
        send(core, writer, timer, activity).await?;
        if wait(core, inbound, timer, activity).await? == Filled::End {
            writer.shutdown();
            return Ok(());
        }
        activity.last.set(core.now());
    }
}

/// Sends what is queued; what the peer takes of it, and the other direction's bytes, move the deadline.
async fn send<E: Engine>(
    core: &Core<E>,
    writer: &mut E::Writer,
    timer: &mut Timer,
    activity: &Activity,
) -> Result<(), IoError> {
    let mut taken = writer.taken();
    poll_fn(|context| {
        let flushed = writer.poll_flush(context);
        if std::mem::replace(&mut taken, writer.taken()) != writer.taken() {
            activity.last.set(core.now());
        }
        if flushed.is_ready() {
            return flushed;
        }
        poll_idle(core, timer, activity, context).map(Err)
    })
    .await
}

/// Waits for bytes; the other direction's bytes move the deadline.
async fn wait<E: Engine>(
    core: &Core<E>,
    inbound: &mut Inbound<E::Reader>,
    timer: &mut Timer,
    activity: &Activity,
) -> Result<Filled, IoError> {
    poll_fn(|context| {
        if let Poll::Ready(filled) = inbound.poll_fill(context) {
            return Poll::Ready(filled);
        }
        poll_idle(core, timer, activity, context).map(Err)
    })
    .await
}

/// Ready, with the error that ends the tunnel, when there was no byte for too long.
fn poll_idle<E: Engine>(
    core: &Core<E>,
    timer: &mut Timer,
    activity: &Activity,
    context: &mut Context<'_>,
) -> Poll<IoError> {
    timer.poll_expired(activity.deadline(), context).map(|()| {
        core.counters.timed_out(Phase::Tunnel);
        IoError::TimedOut
    })
}
