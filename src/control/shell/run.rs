//! The control thread's loop, and how the program ends in order.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::carrier::Carrier;
use crate::base::mailbox::CoreMessage;
use crate::base::policy::DrainPolicy;
use crate::control::machine::event::Event;

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
        cause: Stopped,
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
    let sleep = tokio::time::sleep_until(control.carrier.next_wake());
    tokio::pin!(admin, sleep);
    // What the operator is shown is there before the first question.
    control.carrier.settle();
    control.carrier.look();
    loop {
        let carrier = &mut control.carrier;
        // One timer that is moved only if it has to be: each new one that is the earliest costs a system call.
        let wake = carrier.next_wake();
        if sleep.deadline() != wake {
            sleep.as_mut().reset(wake);
        }
        tokio::select! {
            () = &mut admin => {}
            () = &mut sleep => carrier.on_time(),
            event = carrier.next() => carrier.handle(event),
            Some(core) = control.ended.recv() => {
                let next = stage.after_core(core, carrier.cores());
                if stage == Stage::Serving {
                    tracing::error!(core, "a core stopped by itself: the others finish what they have begun");
                    begin_drain(carrier, control.drain);
                }
                if let Stage::Stopping(_) = next && next != stage {
                    carrier.handle(Event::Shutdown);
                }
                stage = next;
            }
            () = signals.next() => match stage {
                Stage::Serving => {
                    begin_drain(carrier, control.drain);
                    stage = Stage::Draining { left: carrier.cores(), cause: Stopped::Drained };
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
            control.carrier.close().await;
            return Ok(stopped);
        }
    }
}

impl Stage {
    /// A core has ended: one of a drain, or one that nobody asked to. Then the others are asked, too: replicas are stopped
    /// only when no core sends to them any more.
    fn after_core(self, core: usize, cores: usize) -> Stage {
        let (left, cause) = match self {
            Stage::Serving => (cores, Stopped::CoreLost(core)),
            Stage::Draining { left, cause } => (left, cause),
            Stage::Stopping(_) => return self,
        };
        if left > 1 { Stage::Draining { left: left - 1, cause } } else { Stage::Stopping(cause) }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_stopped_after_the_last_core() {
        let drained = |left| Stage::Draining { left, cause: Stopped::Drained };
        let lost = |left| Stage::Draining { left, cause: Stopped::CoreLost(1) };
        for (before, cores, after) in [
            (drained(2), 2, drained(1)),
            (drained(1), 2, Stage::Stopping(Stopped::Drained)),
            (Stage::Serving, 3, lost(2)),
            (lost(2), 3, lost(1)),
            (lost(1), 3, Stage::Stopping(Stopped::CoreLost(1))),
            (Stage::Serving, 1, Stage::Stopping(Stopped::CoreLost(1))),
            (Stage::Stopping(Stopped::Drained), 2, Stage::Stopping(Stopped::Drained)),
        ] {
            assert_eq!(before.after_core(1, cores), after, "{before:?} of {cores}");
        }
    }
}
