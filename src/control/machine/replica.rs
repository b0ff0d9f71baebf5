//! One replica's life: starting, active, draining, gone; and what lies between two of its instances.

mod end;
mod look;
mod start;

pub(super) use look::state_of;

use std::net::SocketAddr;
use std::time::Duration;

use super::adopt::Adoption;
use super::backoff::Backoff;
use super::context::Context;
use super::detector::{Detector, WatchRule};
use super::event::{Action, Heartbeat, Probe};
use super::startup::Startup;
use super::stop::Stop;
use super::timers::Place;
use crate::base::replica_name::ReplicaName;
use crate::base::supervision::{OnExit, Supervision};
use crate::base::time::Moment;
use crate::control::view::Failure;
use crate::placement::ObservationKind;
use crate::provider::{Ending, InstanceId, Intent, RunsAs};

/// What holds for all replicas of a service.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The service.
    pub(super) service: Box<str>,
    /// How its replicas are watched.
    pub(super) watch: WatchRule,
    /// How they are kept running.
    pub(super) supervision: Supervision,
}

/// An instance that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) id: InstanceId,
    pub(super) address: SocketAddr,
    pub(super) runs_as: RunsAs,
}

/// A name that has a server, shall have one, or had one that has not ended yet.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) name: ReplicaName,
    /// 0 if it was no member in this process's time.
    pub(super) ordinal: u32,
    /// Whether it shall have a server.
    pub(super) member: bool,
    place: Place,
    stage: Stage,
    /// What the snapshot says of it: an instance that died stays there, its health bit cleared, until another is active.
    published: Option<(InstanceId, SocketAddr)>,
    /// The newest instance.
    incarnation: u64,
    backoff: Backoff,
    starts: u64,
    last_failure: Option<Failure>,
    /// Its instance was silent, and no other has been active or failed since.
    replacing: bool,
    /// The instance whose end is known and was not reported in full.
    down: Option<InstanceId>,
}

/// Where a replica is in its life.
#[derive(Debug)]
enum Stage {
    /// It is not known yet what an earlier process left of it.
    Adopting(Adoption),
    /// It has no instance until then.
    Waiting { until: Moment },
    /// It would start if something else had not to come first.
    Queued,
    /// An instance's intent is being made.
    Preparing { id: InstanceId },
    /// An instance's intent is being made durable.
    Storing { id: InstanceId, intent: Intent },
    /// The provider was told to start it, and has not said yet what came of it.
    Ordered { id: InstanceId },
    /// It runs, and has not answered yet.
    Starting { running: Running, startup: Startup },
    /// It serves.
    Active { running: Running, since: Moment, detector: Box<Detector> },
    /// It is on its way out.
    Stopping { running: Running, stop: Stop, cause: Option<Cause> },
    /// Nothing of it is left.
    Gone,
}

/// Why an instance of a replica that is to go on was stopped.
#[derive(Debug)]
struct Cause {
    reason: String,
    active_for: Option<Duration>,
}

impl Replica {
    /// A replica that has nothing yet, and starts at once if it is a member.
    pub(super) fn new(name: ReplicaName, ordinal: u32, member: bool, place: Place, now: Moment) -> Self {
        Replica {
            name,
            ordinal,
            member,
            place,
            stage: if member { Stage::Waiting { until: now } } else { Stage::Gone },
            published: None,
            incarnation: 0,
            backoff: Backoff::default(),
            starts: 0,
            last_failure: None,
            replacing: false,
            down: None,
        }
    }

    /// A heartbeat is over.
    pub(super) fn heartbeat(&mut self, beat: Heartbeat, rules: &Rules, ctx: &mut Context) {
        // What answers in the place of one that is down is somebody else.
        if self.instance() != Some(beat.id) || self.down == Some(beat.id) {
            return;
        }
        match &mut self.stage {
            Stage::Starting { .. } if beat.answered => self.activate(beat.answers, rules, ctx),
            Stage::Starting { startup, .. } => startup.missed(beat, &rules.watch, ctx.now),
            Stage::Active { detector, .. } => {
                let verdict = detector.report(&beat, &rules.watch, ctx.now);
                ctx.judge(verdict, &beat, &rules.service, self.name.as_str());
            }
            _ => {}
        }
    }

    /// A core saw something of it.
    pub(super) fn observed(&mut self, id: InstanceId, kind: ObservationKind, rules: &Rules, now: Moment) {
        if let Stage::Active { running, detector, .. } = &mut self.stage
            && running.id == id
        {
            detector.observe(kind, &rules.watch, now);
        }
    }

    /// Its [`deadline`](Replica::deadline) has come.
    pub(super) fn on_time(&mut self, rules: &Rules, ctx: &mut Context) {
        match &mut self.stage {
            Stage::Starting { running, startup } => {
                if startup.is_over(&rules.watch, ctx.now) {
                    let reason = too_late(running.address, startup.last_reason(), rules);
                    self.replacing = false;
                    self.kill(Cause { reason, active_for: None }, rules, ctx);
                } else if startup.beat(&rules.watch, ctx.now) {
                    ctx.beat(running.id, running.address, &rules.watch);
                }
            }
            Stage::Active { running, detector, .. } => {
                let is_due = detector.beat(&rules.watch, ctx.now);
                if is_due {
                    ctx.beat(running.id, running.address, &rules.watch);
                }
            }
            Stage::Stopping { running, stop, .. } => {
                let (id, ending) = (running.id, stop.advance(ctx.now));
                order_end(id, ending, rules, ctx);
            }
            _ => {}
        }
    }

    /// Whether a server that runs, or turns out to, shall go on.
    fn is_wanted(&self, rules: &Rules, ctx: &Context) -> bool {
        self.member && (!ctx.stopping || rules.supervision.on_exit == OnExit::Keep)
    }

    /// The instance that the provider knows of.
    fn instance(&self) -> Option<InstanceId> {
        match &self.stage {
            Stage::Ordered { id } => Some(*id),
            Stage::Starting { running, .. }
            | Stage::Active { running, .. }
            | Stage::Stopping { running, .. } => Some(running.id),
            _ => None,
        }
    }

    /// When it wants to be looked at.
    pub(super) fn deadline(&self) -> Moment {
        match &self.stage {
            Stage::Waiting { until } => *until,
            Stage::Starting { startup, .. } => startup.deadline(),
            Stage::Active { detector, .. } => detector.deadline(),
            Stage::Stopping { stop, .. } => stop.deadline(),
            _ => Moment::NEVER,
        }
    }

    /// Whether nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.stage, Stage::Gone)
    }

    /// Whether it is silent and may be replaced.
    pub(super) fn is_silent(&self, rules: &Rules) -> bool {
        matches!(&self.stage, Stage::Active { detector, .. } if detector.is_silent(&rules.watch))
    }

    /// Whether it was silent and has neither served nor failed since.
    pub(super) fn is_replacing(&self) -> bool {
        self.replacing
    }

    /// Whether a start of it has begun of which the provider has not said yet what came of it.
    pub(super) fn is_beginning(&self) -> bool {
        matches!(self.stage, Stage::Preparing { .. } | Stage::Storing { .. } | Stage::Ordered { .. })
    }

    /// Whether the end of Ringway has to wait for it.
    pub(super) fn holds_up_exit(&self, rules: &Rules) -> bool {
        match self.stage {
            Stage::Ordered { .. } | Stage::Stopping { .. } => true,
            // What nobody wants ends before Ringway does, also where the members go on.
            Stage::Adopting(_) => !self.member || rules.supervision.on_exit == OnExit::Stop,
            _ => false,
        }
    }

    fn log(&self, warning: bool, rules: &Rules, ctx: &mut Context, text: String) {
        ctx.outbox.log(warning, &rules.service, self.name.as_str(), text);
    }
}

fn order_end(id: InstanceId, ending: Option<Ending>, rules: &Rules, ctx: &mut Context) {
    if let Some(ending) = ending {
        ctx.outbox.push(Action::End { id, service: rules.service.clone(), ending });
    }
}

/// Gives an intent back.
pub(super) fn discard(intent: Intent, rules: &Rules, ctx: &mut Context) {
    ctx.outbox.push(Action::Discard { service: rules.service.clone(), intent });
}

fn too_late(address: SocketAddr, last: &str, rules: &Rules) -> String {
    let seconds = rules.supervision.startup.as_secs_f64();
    match &rules.watch.probe {
        Probe::Http { path } => {
            format!("did not answer http://{address}{path} within {seconds} s: {last}")
        }
        Probe::Connect => format!("did not accept a connection at {address} within {seconds} s: {last}"),
    }
}
