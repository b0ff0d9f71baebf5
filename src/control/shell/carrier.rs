//! Carries what happens to the machine, and what the machine wants done to where it is done.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam::channel::Receiver;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinSet};
use tokio::time::Instant;

use super::calls::PendingCall;
use super::heartbeat::{self, Outcome};
use super::lag::{LagNote, LagWatch};
use super::providers::Providers;
use super::publication::Publication;
use super::storage::{WriteReport, Writer};
use crate::base::time::Moment;
use crate::control::Shared;
use crate::control::call::CallAnswer;
use crate::control::machine::Machine;
use crate::control::machine::event::{Action, CallId, Event, Heartbeat, Note, Probe};
use crate::placement::{Observation, ObservationKind, Published, ServiceSpec};
use crate::provider::{InstanceId, ProviderEvent};

/// How often the thread looks at what the cores saw, while they have something to do.
const LOOK_BUSY: Duration = Duration::from_millis(20);
/// How often while they have not: then a look finds nothing but what the last request left.
const LOOK_IDLE: Duration = Duration::from_millis(100);
/// How often while somebody waits for the cores to let go of a replica.
const LOOK_AWAITING: Duration = Duration::from_millis(2);
/// How long replicas that are killed may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// The writer of the state file, and what became of what it was given.
pub type StateWriter = (Writer, mpsc::UnboundedReceiver<WriteReport>);

/// What the carrier is made of.
#[derive(Debug)]
pub struct Parts {
    /// What it shares with the admin interface.
    pub shared: Arc<Shared>,
    /// Where snapshots are published. Kept for as long as cores may subscribe.
    pub published: Published,
    /// All services; the replicas of those that the machine knows come from there.
    pub services: Vec<ServiceSpec>,
    /// The decisions.
    pub machine: Machine,
    /// The origin of the machine's time.
    pub started: Instant,
    /// What starts replicas.
    pub providers: Providers,
    /// What the providers report.
    pub reports: mpsc::UnboundedReceiver<ProviderEvent>,
    /// Where the state is made durable; none where no replica is Ringway's own.
    pub storage: Option<StateWriter>,
    /// What operators ask for.
    pub calls: mpsc::Receiver<PendingCall>,
    /// What the cores saw.
    pub observations: Receiver<Observation>,
}

/// The machine and its surroundings.
#[derive(Debug)]
pub struct Carrier {
    machine: Machine,
    started: Instant,
    shared: Arc<Shared>,
    publication: Publication,
    providers: Providers,
    reports: mpsc::UnboundedReceiver<ProviderEvent>,
    storage: Option<StateWriter>,
    calls: mpsc::Receiver<PendingCall>,
    waiting: HashMap<CallId, oneshot::Sender<CallAnswer>, ahash::RandomState>,
    calls_taken: u64,
    observations: Receiver<Observation>,
    heartbeats: JoinSet<Outcome>,
    /// Whom each of them asks: one that breaks off is to be missed.
    asked: HashMap<task::Id, InstanceId, ahash::RandomState>,
    lag: LagWatch,
    view_is_stale: bool,
    looked: Instant,
    /// Requests that the cores had read at the last look.
    requests: u64,
    /// Whether they had something to do between the last two looks.
    busy: bool,
    finished: bool,
}

impl Carrier {
    /// Nothing is done yet: what the machine wants first is done by [`run`](super::run::run).
    pub fn new(parts: Parts) -> Self {
        let cores = parts.shared.cores.len();
        Carrier {
            machine: parts.machine,
            started: parts.started,
            publication: Publication::new(parts.published, parts.shared.clone(), parts.services),
            shared: parts.shared,
            providers: parts.providers,
            reports: parts.reports,
            storage: parts.storage,
            calls: parts.calls,
            waiting: HashMap::default(),
            calls_taken: 0,
            observations: parts.observations,
            heartbeats: JoinSet::new(),
            asked: HashMap::default(),
            lag: LagWatch::new(cores),
            view_is_stale: true,
            looked: parts.started,
            requests: 0,
            busy: true,
            finished: false,
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn cores(&self) -> usize {
        self.shared.cores.len()
    }

    /// When to [`look`](Carrier::look) again, or to tell the machine of the time: whichever is [`due`](Carrier::on_time).
    pub(super) fn next_wake(&self) -> Instant {
        self.next_look().min(self.deadline())
    }

    /// The moment of [`next_wake`](Carrier::next_wake) has come.
    pub(super) fn on_time(&mut self) {
        let now = Instant::now();
        if self.next_look() <= now {
            self.look();
        }
        if self.deadline() <= now {
            self.handle(Event::Tick);
        }
    }

    fn next_look(&self) -> Instant {
        let pause = if self.publication.awaits() {
            LOOK_AWAITING
        } else if self.busy || self.view_is_stale {
            LOOK_BUSY
        } else {
            LOOK_IDLE
        };
        self.looked + pause
    }

    /// Whether the machine has nothing left to do.
    pub(super) fn has_finished(&self) -> bool {
        self.finished
    }

    /// When the machine wants to be told that time has passed.
    fn deadline(&self) -> Instant {
        let since = self.machine.deadline().since(Moment::ORIGIN);
        self.started.checked_add(since).unwrap_or_else(|| self.next_look())
    }

    fn now(&self) -> Moment {
        Moment::ORIGIN + self.started.elapsed()
    }

    /// The next thing that happens outside. Dropped before it is ready, it loses nothing.
    pub(super) async fn next(&mut self) -> Event {
        let stored = async {
            match &mut self.storage {
                Some((_, written)) => written.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(report) = self.reports.recv() => Event::Provider(report),
            Some((version, result)) = stored => Event::Persisted { version, result },
            Some(ended) = self.heartbeats.join_next_with_id() => self.beaten(ended),
            Some(PendingCall { call, reply }) = self.calls.recv() => {
                let id = CallId(self.calls_taken);
                self.calls_taken += 1;
                self.waiting.insert(id, reply);
                Event::Call { id, call, clock_ms: clock_ms() }
            }
            else => std::future::pending().await,
        }
    }

    fn beaten(&mut self, ended: Result<(task::Id, Outcome), task::JoinError>) -> Event {
        let (task, outcome) = ended.unwrap_or_else(|error| {
            (error.id(), Outcome::not_asked(format!("the heartbeat broke off: {error}")))
        });
        let Outcome { answered, reason, lag } = outcome;
        // Each was noted when it was sent.
        let id = self.asked.remove(&task).unwrap_or(InstanceId(0));
        let answers = self.publication.answers(id);
        Event::Heartbeat(Heartbeat { id, answered, reason, lag, answers })
    }

    /// Tells the machine what happened.
    pub(super) fn handle(&mut self, event: Event) {
        self.view_is_stale = true;
        match &event {
            Event::Provider(ProviderEvent::Ended { id, .. }) => {
                self.publication.ended(*id);
                self.providers.ended(*id);
            }
            Event::Shutdown => self.providers.begin_stop(),
            _ => {}
        }
        let now = self.now();
        self.machine.handle(event, now);
    }

    /// Looks at what the cores left behind. Level-triggered: an observation only says where to look, and a cleared
    /// health bit is found without one.
    pub(super) fn look(&mut self) {
        self.looked = Instant::now();
        self.note_business();
        self.show();
        self.show_engines();
        let seen: Vec<Observation> = self.observations.try_iter().collect();
        for Observation { replica, kind } in seen {
            tracing::debug!(replica = %replica.name, address = ?replica.address, ?kind, "observed");
            self.handle(Event::Observed { id: InstanceId(replica.incarnation), kind });
        }
        for id in self.publication.cleared_by_cores() {
            self.handle(Event::Observed { id, kind: ObservationKind::Unreachable });
        }
        for id in self.publication.idle() {
            self.handle(Event::Idle { id });
        }
        for note in self.lag.look(&self.shared, self.now()) {
            match note {
                LagNote::Behind { core, uses, generation } => tracing::warn!(
                    core,
                    uses,
                    generation,
                    "a core does not take up what is published: it is stuck, or gets no time on its CPU"
                ),
                LagNote::CaughtUp { core } => tracing::info!(core, "the core has caught up"),
            }
        }
    }

    fn note_business(&mut self) {
        let counters = || self.shared.cores.iter().map(|core| &core.counters);
        let requests = counters().map(|core| core.requests.value()).sum();
        let open: u64 = counters().map(|core| core.exchanges_open.value()).sum();
        self.busy = open > 0 || requests != self.requests;
        self.requests = requests;
    }

    /// Does all that the machine wants done now.
    pub(super) fn settle(&mut self) {
        loop {
            let actions = self.machine.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.perform(action);
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Persist { version, state } => match &mut self.storage {
                Some((writer, _)) => writer.submit(version, state),
                None => self.handle(Event::Persisted { version, result: Ok(()) }),
            },
            Action::Publish => self.publish(),
            Action::SetHealth { id, up } => self.publication.set_health(id, up),
            Action::Prepare { id, service } => {
                let result = self.providers.prepare(&service);
                self.handle(Event::Prepared { id, result });
            }
            Action::Discard { service, intent } => self.providers.discard(&service, &intent),
            Action::Start(instance) => {
                let id = instance.id;
                let started = self.providers.start(instance);
                self.unless_refused(id, started);
            }
            Action::Adopt { instance, record } => {
                let id = instance.id;
                let adopted = self.providers.adopt(instance, record);
                self.unless_refused(id, adopted);
            }
            Action::End { id, service: _, ending } => self.providers.end(id, ending),
            Action::Heartbeat { id, address, probe, timeout } => self.beat(id, address, probe, timeout),
            Action::AwaitIdle { id } => {
                if let Some(id) = self.publication.await_idle(id) {
                    self.handle(Event::Idle { id });
                }
            }
            Action::Answer { id, answer } => self.answer(id, answer),
            Action::Log(note) => log(&note),
            Action::Finished => self.finished = true,
        }
    }

    /// What no provider takes on has ended.
    fn unless_refused(&mut self, id: InstanceId, taken_on: Result<(), String>) {
        if let Err(reason) = taken_on {
            self.handle(Event::Provider(ProviderEvent::Ended { id, reason, log_tail: Vec::new() }));
        }
    }

    fn publish(&mut self) {
        match self.publication.publish(self.machine.members()) {
            Ok(generation) => tracing::debug!(generation, "published"),
            Err(error) => tracing::error!(%error, "not published: the cores keep the members that they have"),
        }
    }

    fn beat(&mut self, id: InstanceId, address: SocketAddr, probe: Probe, timeout: Duration) {
        let task = self.heartbeats.spawn(heartbeat::beat(address, probe, timeout));
        self.asked.insert(task.id(), id);
    }

    fn answer(&mut self, id: CallId, answer: CallAnswer) {
        // Whoever was told of a change sees it.
        self.view_is_stale = true;
        self.show();
        if let Some(reply) = self.waiting.remove(&id) {
            // A caller that has gone away does not undo its call.
            let _ = reply.send(answer);
        }
    }

    /// At each look and not at each event: with a thousand replicas a view is a thousand lines.
    fn show(&mut self) {
        if std::mem::take(&mut self.view_is_stale) {
            self.shared.publish_view(self.machine.view(self.now()));
        }
    }

    /// At each look: what is shown is an age.
    fn show_engines(&mut self) {
        let engines = self.providers.engines();
        if !engines.is_empty() {
            self.shared.publish_engines(engines);
        }
    }

    /// Clears away what replicas that have ended left behind.
    pub(super) async fn close(&mut self) {
        self.providers.close().await;
    }

    /// Kills what would have been stopped in order.
    pub(super) async fn kill_all(&mut self) {
        self.providers.kill_all();
        let killed = async {
            while self.providers.any_going()
                && let Some(report) = self.reports.recv().await
            {
                if let ProviderEvent::Ended { id, .. } = report {
                    self.providers.ended(id);
                }
            }
        };
        if tokio::time::timeout(KILL_PATIENCE, killed).await.is_err() {
            tracing::warn!("not all replicas have ended; the next start ends them");
        }
    }
}

fn log(note: &Note) {
    let Note { warning, service, replica, text } = note;
    if *warning {
        tracing::warn!(%service, %replica, "{text}");
    } else {
        tracing::info!(%service, %replica, "{text}");
    }
}

/// The milliseconds of the day by the system's clock.
#[expect(clippy::disallowed_methods, reason = "the shell is the edge; the machine is given the time")]
fn clock_ms() -> u32 {
    const DAY_MS: u128 = 24 * 60 * 60 * 1_000;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Below a day's milliseconds, so it fits.
    (since.as_millis() % DAY_MS) as u32
}
