//! The control thread's loop, and how the program ends in order.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::carrier::Carrier;
use crate::base::mailbox::CoreMessage;
use crate::base::policy::DrainPolicy;
use crate::control::machine::event::Event;

/// How often the thread looks at what the cores saw.
const TICK: Duration = Duration::from_millis(20);
/// How often while somebody waits for the cores to let go of a replica.
const TICK_AWAITING: Duration = Duration::from_millis(2);

/// What the control thread works with.
#[derive(Debug)]
pub struct Control {
    /// The machine and what carries its events and actions.
    pub carrier: Carrier,
    /// One message for each core that ended.
    pub ended: mpsc::UnboundedReceiver<usize>,
    /// How the program stops.
    pub drain: DrainPolicy,
}

/// Why the control thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A signal asked for it, and all cores and the replicas that were to go with them have ended.
    Drained,
    /// A second signal did not want to wait.
    Impatient,
    /// A core ended though nothing asked it to.
    CoreLost(usize),
}

/// What the program is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// So many cores have yet to end.
    Draining {
        left: usize,
    },
    /// The cores are gone; replicas are being stopped.
    Stopping(Stopped),
}

/// Runs until a signal, or the loss of a core, ends the program. `admin` answers the operator meanwhile.
///
/// # Errors
/// When signals cannot be watched.
pub async fn run(mut control: Control, admin: impl Future<Output = ()>) -> io::Result<Stopped> {
    let mut signals = Signals::new()?;
    let mut stage = Stage::Serving;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    tokio::pin!(admin);
    // What the operator is shown is there before the first question.
    control.carrier.settle();
    control.carrier.look();
    loop {
        let carrier = &mut control.carrier;
        let pause = if carrier.awaits_cores() { TICK_AWAITING } else { TICK };
        let deadline = carrier.deadline();
        tokio::select! {
            () = &mut admin => {}
            _ = tick.tick() => carrier.look(),
            () = tokio::time::sleep(pause), if pause < TICK => carrier.look(),
            () = tokio::time::sleep_until(deadline) => carrier.handle(Event::Tick),
            event = carrier.next() => carrier.handle(event),
            Some(core) = control.ended.recv() => stage = after_core(stage, core, carrier),
            () = signals.next() => match stage {
                Stage::Serving => {
                    begin_drain(carrier, control.drain);
                    stage = Stage::Draining { left: carrier.cores() };
                }
                Stage::Draining { .. } | Stage::Stopping(_) => {
                    carrier.kill_all().await;
                    return Ok(Stopped::Impatient);
                }
            },
        }
        control.carrier.settle();
        if let Stage::Stopping(stopped) = stage
            && control.carrier.has_finished()
        {
            return Ok(stopped);
        }
    }
}

/// A core has ended: the last one of a drain, or one that nobody asked to.
fn after_core(stage: Stage, core: usize, carrier: &mut Carrier) -> Stage {
    let stopped = match stage {
        Stage::Serving => Stopped::CoreLost(core),
        Stage::Draining { left } if left > 1 => return Stage::Draining { left: left - 1 },
        Stage::Draining { .. } => Stopped::Drained,
        Stage::Stopping(_) => return stage,
    };
    carrier.handle(Event::Shutdown);
    Stage::Stopping(stopped)
}

fn begin_drain(carrier: &Carrier, drain: DrainPolicy) {
    let DrainPolicy { lame_duck, timeout } = drain;
    tracing::info!(?lame_duck, ?timeout, "draining: not ready any more; a second signal stops at once");
    carrier.shared().begin_drain();
    carrier.shared().tell_all(&CoreMessage::Drain { lame_duck, timeout });
}

/// The signals that end the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
