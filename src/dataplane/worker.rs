//! One core's life: accept, serve, follow the control thread, drain, end.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::balance::Entrance;
use super::client::serve;
use super::core::{Core, CoreSettings, Lifecycle, SWEEP_INTERVAL};
use super::turn_away::turn_away;
use crate::base::mailbox::CoreMessage;
use crate::base::time::Moment;
use crate::engine::{Accepted, AcceptedOf, Engine, IoError, yield_now};

/// How long a listener waits after descriptors or memory ran out, before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What was left when a core ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Client connections that were cut because the drain's time was over.
    pub connections_cut: u64,
}

/// Serves what comes in by `entrances` until the control thread says to drain, and then until that is done.
pub async fn run_core<E: Engine>(
    engine: E,
    entrances: Vec<Entrance<E::Listener>>,
    settings: CoreSettings,
) -> DrainReport {
    let core = Rc::new(Core::new(engine, settings));
    let handle = core.engine.handle().clone();
    for entrance in entrances {
        handle.spawn(accept(core.clone(), entrance));
    }
    handle.spawn(sweep(core.clone()));
    loop {
        match core.mailbox.receive().await {
            CoreMessage::Refresh => drop(core.view()),
            CoreMessage::Drain { lame_duck, timeout } => return drain(&core, lame_duck, timeout).await,
        }
    }
}

async fn drain<E: Engine>(core: &Rc<Core<E>>, lame_duck: Duration, timeout: Duration) -> DrainReport {
    let mut timer = core.engine.handle().timer();
    core.phase.set(Lifecycle::LameDuck);
    timer.sleep_until(core.now() + lame_duck).await;
    core.phase.set(Lifecycle::Draining);
    // Listeners and idle connections all have to notice, and nothing else would wake them.
    core.engine.handle().wake_all();
    let deadline = core.now() + timeout;
    poll_fn(|context| {
        if core.poll_drained(context).is_ready() {
            return Poll::Ready(());
        }
        timer.poll_expired(deadline, context)
    })
    .await;
    core.retire_upstreams();
    DrainReport { connections_cut: core.admission.open() }
}

/// Accepts connections until the core drains; then what the kernel has queued and other cores have handed over, and closes.
async fn accept<E: Engine>(core: Rc<Core<E>>, mut entrance: Entrance<E::Listener>) {
    let mut timer = core.engine.handle().timer();
    core.listening.set(core.listening.get() + 1);
    loop {
        match poll_fn(|context| poll_accept(&core, &mut entrance, context)).await {
            Ok(Some(accepted)) => admit(&core, accepted).await,
            Ok(None) => break,
            Err(IoError::Exhausted) => {
                core.counters.accept_failures.increment();
                timer.sleep_until(core.now() + ACCEPT_PAUSE).await;
            }
            // One connection failed before it was accepted.
            Err(_) => core.counters.accept_failures.increment(),
        }
    }
    core.listening.set(core.listening.get() - 1);
    core.connection_closed();
}

/// The next connection that this core is to serve. `None` once the core drains and all have been handed out.
fn poll_accept<E: Engine>(
    core: &Core<E>,
    entrance: &mut Entrance<E::Listener>,
    context: &mut Context<'_>,
) -> Poll<Result<Option<AcceptedOf<E::Listener>>, IoError>> {
    if core.phase.get() == Lifecycle::Draining {
        entrance.stop();
    } else if core.admission.poll_room(context).is_pending() && !entrance.has_room_elsewhere() {
        return Poll::Pending;
    }
    entrance.poll_accept(&core.counters.connections_handed_over, core.now(), context)
}

/// Serves a connection, or has it told that it is not.
async fn admit<E: Engine>(core: &Rc<Core<E>>, accepted: Accepted<E::Reader, E::Writer>) {
    core.counters.connections_accepted.increment();
    let handle = core.engine.handle();
    let address = accepted.peer.ip().to_canonical();
    // A trusted peer is a proxy: its connections are those of all its clients, which are its own to limit.
    match core.admission.admit(address, || core.forwarding.trusts(address)) {
        Ok(place) => handle.spawn(serve(core.clone(), accepted, place)),
        // What was queued when the drain began is bounded by the queue, and each is owed an answer.
        Err(limit) if core.admission.takes_surplus() || core.phase.get() == Lifecycle::Draining => {
            handle.spawn(turn_away(core.clone(), accepted, limit));
        }
        // One address has more than its share, and fills the surplus, too: it must keep nobody else waiting, neither in
        // the queue nor, by the next ones that are closed at once, on this core.
        Err(_) => {
            drop(accepted);
            yield_now().await;
        }
    }
}

async fn sweep<E: Engine>(core: Rc<Core<E>>) {
    let mut timer = core.engine.handle().timer();
    let mut next: Moment = core.now();
    loop {
        next = next.max(core.now()) + SWEEP_INTERVAL;
        timer.sleep_until(next).await;
        core.sweep();
    }
}
