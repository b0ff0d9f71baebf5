//! The control thread: it answers the operator, looks after replicas that are down, and ends the program in order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::recovery::Recovery;
use crate::base::mailbox::CoreMessage;
use crate::base::policy::DrainPolicy;
use crate::base::time::Moment;
use crate::control::Shared;
use crate::placement::{Observation, Published, Replica, ReplicaId};

/// How often the thread looks at what the cores saw.
const TICK: Duration = Duration::from_millis(50);
/// How long a replica that is down may take to accept a probe.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1_000);

/// What the control thread works with.
#[derive(Debug)]
pub struct Control {
    /// What it shares with the admin interface.
    pub shared: Arc<Shared>,
    /// Where snapshots are published. Kept for as long as cores may subscribe.
    pub published: Published,
    /// What the cores saw.
    pub observations: Receiver<Observation>,
    /// One message for each core that ended.
    pub ended: mpsc::UnboundedReceiver<usize>,
    /// How the program stops.
    pub drain: DrainPolicy,
}

/// Why the control thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A signal asked for it, and all cores have ended.
    Drained,
    /// A second signal did not want to wait.
    Impatient,
    /// A core ended though nothing asked it to.
    CoreLost(usize),
}

/// Runs until a signal, or the loss of a core, ends the program. `admin` answers the operator meanwhile.
///
/// # Errors
/// When signals cannot be watched.
pub async fn run(mut control: Control, admin: impl Future<Output = ()>) -> io::Result<Stopped> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut watch = Watch::new();
    let mut tick = tokio::time::interval(TICK);
    tokio::pin!(admin);
    let mut left = control.shared.cores.len();
    let mut draining = false;
    loop {
        let asked_to_stop = tokio::select! {
            () = &mut admin => false,
            _ = tick.tick() => {
                watch.look(&control);
                false
            }
            Some((id, answered)) = watch.probes.recv() => {
                watch.conclude(&control, id, answered);
                false
            }
            Some(core) = control.ended.recv() => {
                if !draining {
                    return Ok(Stopped::CoreLost(core));
                }
                left -= 1;
                if left == 0 {
                    return Ok(Stopped::Drained);
                }
                false
            }
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
        };
        if asked_to_stop {
            if draining {
                return Ok(Stopped::Impatient);
            }
            draining = true;
            begin_drain(&control);
        }
    }
}

fn begin_drain(control: &Control) {
    let DrainPolicy { lame_duck, timeout } = control.drain;
    tracing::info!(?lame_duck, ?timeout, "draining: not ready any more; a second signal stops at once");
    control.shared.begin_drain();
    control.shared.tell_all(&CoreMessage::Drain { lame_duck, timeout });
}

/// The replicas that are down and the probes of them.
struct Watch {
    recovery: Recovery,
    tasks: JoinSet<()>,
    report: mpsc::UnboundedSender<(ReplicaId, bool)>,
    probes: mpsc::UnboundedReceiver<(ReplicaId, bool)>,
    started: tokio::time::Instant,
}

impl Watch {
    fn new() -> Self {
        let (report, probes) = mpsc::unbounded_channel();
        Watch {
            recovery: Recovery::default(),
            tasks: JoinSet::new(),
            report,
            probes,
            started: tokio::time::Instant::now(),
        }
    }

    fn now(&self) -> Moment {
        Moment::ORIGIN + self.started.elapsed()
    }

    /// Level-triggered: an observation only says where to look, and a cleared health bit is found without one.
    fn look(&mut self, control: &Control) {
        while self.tasks.try_join_next().is_some() {}
        for Observation { replica, kind } in control.observations.try_iter() {
            tracing::debug!(replica = %replica.name, address = ?replica.address, ?kind, "observed");
        }
        let now = self.now();
        let snapshot = control.published.current();
        let replicas = || snapshot.services.iter().flat_map(|service| &service.replicas);
        for replica in replicas().filter(|replica| !replica.health.is_up()) {
            if self.recovery.note_down(replica.id, now) {
                tracing::warn!(replica = %replica.name, address = ?replica.address, "replica is down");
            }
        }
        for id in self.recovery.due(now) {
            match replicas().find(|replica| replica.id == id) {
                Some(replica) => self.probe(replica.clone()),
                None => self.recovery.retain(|known| known != id),
            }
        }
    }

    fn probe(&mut self, replica: Arc<Replica>) {
        let report = self.report.clone();
        self.tasks.spawn(async move {
            let Some(address) = replica.address else { return };
            let connect = tokio::net::TcpStream::connect(address);
            let answered = matches!(tokio::time::timeout(PROBE_TIMEOUT, connect).await, Ok(Ok(_)));
            // The receiver is gone only when the program ends.
            let _ = report.send((replica.id, answered));
        });
    }

    fn conclude(&mut self, control: &Control, id: ReplicaId, answered: bool) {
        self.recovery.note_probe(id, answered, self.now());
        let snapshot = control.published.current();
        let replica =
            snapshot.services.iter().flat_map(|service| &service.replicas).find(|replica| replica.id == id);
        if let Some(replica) = replica.filter(|_| answered) {
            replica.health.set();
            tracing::info!(replica = %replica.name, address = ?replica.address, "replica is up again");
        }
    }
}
