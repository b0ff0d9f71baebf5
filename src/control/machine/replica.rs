//! One replica's life: starting, active, draining, gone; and what lies between two of its instances.

mod look;

pub(super) use look::state_of;

use std::net::SocketAddr;
use std::time::Duration;

use super::adopt::Adoption;
use super::backoff::Backoff;
use super::context::{Context, Milestone};
use super::detector::{Detector, WatchRule};
use super::event::{Action, Heartbeat, Probe};
use super::startup::Startup;
use super::stop::Stop;
use super::timers::Place;
use crate::base::replica_name::ReplicaName;
use crate::base::supervision::{OnExit, Supervision};
use crate::base::time::Moment;
use crate::control::durable::DurableInstance;
use crate::control::view::Failure;
use crate::placement::ObservationKind;
use crate::provider::{Ending, Instance, InstanceId, Intent, Record};

/// How long the exchanges on a silent replica may take to finish: it is not expected to finish any.
const SILENT_DRAIN: Duration = Duration::from_millis(100);
/// From the stop signal of a silent replica to its kill, at most.
const SILENT_STOP_TIMEOUT: Duration = Duration::from_millis(500);
/// How often a replica looks whether it may start, where something else has to come first.
const TURN_PAUSE: Duration = Duration::from_millis(10);

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
    pub(super) pid: Option<u32>,
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
}

/// Where a replica is in its life.
#[derive(Debug)]
enum Stage {
    /// It is not known yet what an earlier process left of it.
    Adopting(Adoption),
    /// It has no instance until then.
    Waiting { until: Moment },
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
        }
    }

    /// One more instance that an earlier process may have left.
    pub(super) fn expect(&mut self, id: InstanceId) {
        if !matches!(self.stage, Stage::Adopting(_)) {
            self.stage = Stage::Adopting(Adoption::default());
        }
        if let Stage::Adopting(adoption) = &mut self.stage {
            adoption.expect(id);
            self.incarnation = self.incarnation.max(id.0);
        }
    }

    /// The adoption that is not decided yet.
    pub(super) fn adoption(&mut self) -> Option<&mut Adoption> {
        match &mut self.stage {
            Stage::Adopting(adoption) => Some(adoption),
            _ => None,
        }
    }

    /// It is known what an earlier process left: `running` goes on.
    pub(super) fn adopt(&mut self, running: Option<Running>, rules: &Rules, ctx: &mut Context) {
        let Some(running) = running else {
            self.stage = if self.member { Stage::Waiting { until: ctx.now } } else { Stage::Gone };
            return;
        };
        self.incarnation = running.id.0;
        self.starts = 1;
        if self.is_wanted(rules, ctx) {
            self.log(
                false,
                rules,
                ctx,
                format!("instance {} runs still, at {}", running.id.0, running.address),
            );
            self.stage =
                Stage::Starting { running, startup: Startup::new(rules.supervision.startup, ctx.now) };
        } else {
            self.log(false, rules, ctx, format!("instance {} runs still and is to end", running.id.0));
            self.ask(running, rules, ctx);
        }
    }

    /// Ends an instance that an earlier process left beside a newer one.
    pub(super) fn end_left_over(&mut self, running: Running, rules: &Rules, ctx: &mut Context) {
        self.incarnation = running.id.0;
        self.log(
            true,
            rules,
            ctx,
            format!("instance {} runs beside a newer one and is to end", running.id.0),
        );
        self.ask(running, rules, ctx);
    }

    /// Whether it wants to [`begin`](Replica::begin) now.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        matches!(self.stage, Stage::Waiting { until } if until <= now)
    }

    /// Something else has to come first: not yet.
    pub(super) fn postpone(&mut self, now: Moment) {
        self.stage = Stage::Waiting { until: now + TURN_PAUSE };
    }

    /// Begins a start.
    pub(super) fn begin(&mut self, rules: &Rules, ctx: &mut Context) {
        let id = ctx.draw(self.place);
        self.incarnation = id.0;
        self.starts += 1;
        self.stage = Stage::Preparing { id };
        ctx.outbox.push(Action::Prepare { id, service: rules.service.clone() });
    }

    /// Whether it waits for this instance's intent.
    pub(super) fn awaits_intent(&self, id: InstanceId) -> bool {
        matches!(self.stage, Stage::Preparing { id: expected } if expected == id)
    }

    /// The intent that it waited for is made, or cannot be.
    pub(super) fn prepared(
        &mut self,
        id: InstanceId,
        result: Result<Intent, String>,
        rules: &Rules,
        ctx: &mut Context,
    ) {
        match result {
            Ok(intent) => {
                let listed =
                    DurableInstance { id, name: self.name.clone(), intent: intent.clone(), record: None };
                ctx.storage.list(&rules.service, listed, self.place);
                self.stage = Stage::Storing { id, intent };
            }
            Err(reason) => {
                ctx.places.remove(&id);
                self.replacing = false;
                self.fail(Cause { reason, active_for: None }, Vec::new(), rules, ctx);
            }
        }
    }

    /// The intent is durable.
    pub(super) fn stored(&mut self, stored: InstanceId, rules: &Rules, ctx: &mut Context) {
        if let Stage::Storing { id, intent } = &self.stage
            && *id == stored
        {
            let (id, intent) = (*id, intent.clone());
            let (service, name) = (rules.service.clone(), self.name.clone());
            ctx.outbox.push(Action::Start(Instance { id, service, name, intent }));
            self.stage = Stage::Ordered { id };
        }
    }

    /// The provider has started it.
    pub(super) fn started(
        &mut self,
        started: InstanceId,
        address: SocketAddr,
        record: &Record,
        rules: &Rules,
        ctx: &mut Context,
    ) {
        if !matches!(self.stage, Stage::Ordered { id } if id == started) {
            return;
        }
        let running = Running { id: started, address, pid: pid_of(record) };
        let pid = running.pid.map_or(String::new(), |pid| format!(", process {pid}"));
        self.log(false, rules, ctx, format!("started as instance {} at {address}{pid}", started.0));
        if self.is_wanted(rules, ctx) {
            let startup = Startup::new(rules.supervision.startup, ctx.now);
            self.stage = Stage::Starting { running, startup };
        } else {
            self.ask(running, rules, ctx);
        }
    }

    /// Nothing of an instance runs any more.
    pub(super) fn ended(
        &mut self,
        ended: InstanceId,
        reason: String,
        log_tail: Vec<String>,
        rules: &Rules,
        ctx: &mut Context,
    ) {
        if self.instance() != Some(ended) {
            return;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Gone);
        let cause = match stage {
            Stage::Stopping { cause, .. } if !self.member || cause.is_none() => {
                self.log(false, rules, ctx, format!("instance {} has ended: {reason}", ended.0));
                return;
            }
            Stage::Stopping { cause, .. } => cause.unwrap_or(Cause { reason, active_for: None }),
            Stage::Active { since, .. } => {
                ctx.outbox.push(Action::SetHealth { id: ended, up: false });
                Cause { reason, active_for: Some(ctx.now.since(since)) }
            }
            _ => {
                self.replacing = false;
                Cause { reason, active_for: None }
            }
        };
        if self.member {
            self.fail(cause, log_tail, rules, ctx);
        } else {
            self.log(false, rules, ctx, format!("instance {} has ended: {}", ended.0, cause.reason));
        }
    }

    /// A heartbeat is over.
    pub(super) fn heartbeat(&mut self, beat: Heartbeat, rules: &Rules, ctx: &mut Context) {
        if self.instance() != Some(beat.id) {
            return;
        }
        match &mut self.stage {
            Stage::Starting { .. } if beat.answered => self.activate(beat.answers, rules, ctx),
            Stage::Starting { startup, .. } => startup.missed(beat),
            Stage::Active { detector, .. } => {
                let verdict = detector.report(&beat, &rules.watch, ctx.now);
                ctx.judge(verdict, &beat, &rules.service, self.name.as_str());
            }
            _ => {}
        }
    }

    fn activate(&mut self, answers: u64, rules: &Rules, ctx: &mut Context) {
        let Stage::Starting { running, startup } = &self.stage else { return };
        let (running, age) = (*running, startup.age(ctx.now));
        let detector = Box::new(Detector::new(&rules.watch, answers, ctx.now, &mut ctx.random));
        self.stage = Stage::Active { running, since: ctx.now, detector };
        self.published = Some((running.id, running.address));
        self.replacing = false;
        ctx.outbox.publish();
        ctx.outbox.push_after_publish(Action::SetHealth { id: running.id, up: true });
        ctx.milestones.push(Milestone::Active(self.place));
        self.log(false, rules, ctx, format!("active after {} ms", age.as_millis()));
    }

    /// A core saw something of it.
    pub(super) fn observed(&mut self, id: InstanceId, kind: ObservationKind, rules: &Rules, now: Moment) {
        if let Stage::Active { running, detector, .. } = &mut self.stage
            && running.id == id
        {
            detector.observe(kind, &rules.watch, now);
        }
    }

    /// Nothing is under way on an instance that is draining.
    pub(super) fn idle(&mut self, id: InstanceId, rules: &Rules, ctx: &mut Context) {
        if let Stage::Stopping { running, stop, .. } = &mut self.stage
            && running.id == id
        {
            let ending = stop.idle(ctx.now);
            end(id, ending, rules, ctx);
        }
    }

    /// Its [`deadline`](Replica::deadline) has come.
    pub(super) fn on_time(&mut self, rules: &Rules, ctx: &mut Context) {
        match &mut self.stage {
            Stage::Starting { running, startup } => {
                if startup.is_over(ctx.now) {
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
                end(id, ending, rules, ctx);
            }
            _ => {}
        }
    }

    /// It is no member any more: what is there of it ends in order.
    pub(super) fn leave(&mut self, rules: &Rules, ctx: &mut Context) {
        self.member = false;
        self.replacing = false;
        match &self.stage {
            Stage::Active { running, .. } => {
                let running = *running;
                self.unroute(running.id, ctx);
                let Supervision { drain, stop_timeout, .. } = rules.supervision;
                let stop = Stop::drain(drain, stop_timeout, ctx.now);
                self.stage = Stage::Stopping { running, stop, cause: None };
                self.log(false, rules, ctx, format!("removed: instance {} drains", running.id.0));
            }
            Stage::Starting { running, .. } => {
                let running = *running;
                self.log(false, rules, ctx, format!("removed: instance {} is to end", running.id.0));
                self.ask(running, rules, ctx);
            }
            _ => {
                self.log(false, rules, ctx, "removed".to_owned());
                self.give_up_start(rules, ctx);
            }
        }
    }

    /// It is silent and its turn has come: its instance ends, and another follows.
    pub(super) fn replace(&mut self, rules: &Rules, ctx: &mut Context) {
        let Stage::Active { running, since, detector } = &self.stage else { return };
        let (running, since) = (*running, *since);
        let reason = format!("missed {} heartbeats in a row: {}", detector.misses(), detector.last_reason());
        self.unroute(running.id, ctx);
        let stop_timeout = rules.supervision.stop_timeout.min(SILENT_STOP_TIMEOUT);
        let stop = Stop::drain(SILENT_DRAIN.min(rules.supervision.drain), stop_timeout, ctx.now);
        let cause = Cause { reason, active_for: Some(ctx.now.since(since)) };
        self.stage = Stage::Stopping { running, stop, cause: Some(cause) };
        self.replacing = true;
        self.log(true, rules, ctx, format!("instance {} is silent and is replaced", running.id.0));
    }

    /// Ringway stops. The cores have ended, so that nothing is under way on any instance.
    pub(super) fn shut_down(&mut self, rules: &Rules, ctx: &mut Context) {
        match &mut self.stage {
            Stage::Starting { running, .. } | Stage::Active { running, .. } => {
                let running = *running;
                if !self.is_wanted(rules, ctx) {
                    self.published = None;
                    self.ask(running, rules, ctx);
                }
            }
            Stage::Stopping { running, stop, .. } => {
                let (id, ending) = (running.id, stop.idle(ctx.now));
                end(id, ending, rules, ctx);
            }
            _ => self.give_up_start(rules, ctx),
        }
    }

    /// Takes back a start of which the provider was not told yet.
    fn give_up_start(&mut self, rules: &Rules, ctx: &mut Context) {
        match &self.stage {
            Stage::Storing { id, intent } => {
                ctx.places.remove(id);
                ctx.storage.unlist(&rules.service, *id);
                discard(intent.clone(), rules, ctx);
                self.stage = Stage::Gone;
            }
            Stage::Preparing { .. } | Stage::Waiting { .. } => self.stage = Stage::Gone,
            _ => {}
        }
    }

    /// Whether a server that runs, or turns out to, shall go on.
    fn is_wanted(&self, rules: &Rules, ctx: &Context) -> bool {
        self.member && (!ctx.stopping || rules.supervision.on_exit == OnExit::Keep)
    }

    fn unroute(&mut self, id: InstanceId, ctx: &mut Context) {
        self.published = None;
        ctx.outbox.push(Action::SetHealth { id, up: false });
        ctx.outbox.publish();
        ctx.outbox.push_after_publish(Action::AwaitIdle { id });
    }

    fn ask(&mut self, running: Running, rules: &Rules, ctx: &mut Context) {
        let (stop, ending) = Stop::ask(rules.supervision.stop_timeout, ctx.now);
        self.stage = Stage::Stopping { running, stop, cause: None };
        end(running.id, Some(ending), rules, ctx);
    }

    fn kill(&mut self, cause: Cause, rules: &Rules, ctx: &mut Context) {
        let Stage::Starting { running, .. } = &self.stage else { return };
        let running = *running;
        let (stop, ending) = Stop::kill(ctx.now);
        self.stage = Stage::Stopping { running, stop, cause: Some(cause) };
        end(running.id, Some(ending), rules, ctx);
    }

    fn fail(&mut self, cause: Cause, log_tail: Vec<String>, rules: &Rules, ctx: &mut Context) {
        if ctx.stopping {
            self.stage = Stage::Gone;
            return;
        }
        let pause = self.backoff.fail(cause.active_for, &rules.supervision, &mut ctx.random);
        self.stage = Stage::Waiting { until: ctx.now + pause };
        let again = match pause {
            Duration::ZERO => "starts again at once".to_owned(),
            pause => format!("starts again in {} ms", pause.as_millis()),
        };
        let failures = self.backoff.failures();
        let crash_loop = if self.backoff.is_crash_loop(&rules.supervision) {
            format!("; crash loop, {failures} failures in a row")
        } else {
            String::new()
        };
        self.log(true, rules, ctx, format!("{}; {again}{crash_loop}", cause.reason));
        self.last_failure = Some(Failure { reason: cause.reason, log_tail });
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
            Stage::Adopting(_) => rules.supervision.on_exit == OnExit::Stop,
            _ => false,
        }
    }

    fn log(&self, warning: bool, rules: &Rules, ctx: &mut Context, text: String) {
        ctx.outbox.log(warning, &rules.service, self.name.as_str(), text);
    }
}

/// The process that a record is of.
pub(super) fn pid_of(record: &Record) -> Option<u32> {
    let Record::Process { pid, .. } = record;
    Some(*pid)
}

fn end(id: InstanceId, ending: Option<Ending>, rules: &Rules, ctx: &mut Context) {
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
