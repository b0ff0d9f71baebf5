//! The way in: what an earlier process left, or an intent, a start and a first answer.

use std::net::SocketAddr;

use super::{Replica, Rules, Running, Stage};
use crate::base::time::Moment;
use crate::control::durable::DurableInstance;
use crate::control::machine::adopt::Adoption;
use crate::control::machine::context::{Context, Milestone};
use crate::control::machine::detector::Detector;
use crate::control::machine::event::Action;
use crate::control::machine::startup::Startup;
use crate::provider::{Instance, InstanceId, Intent, Record};

impl Replica {
    /// One more instance that an earlier process may have left.
    pub(in crate::control::machine) fn expect(&mut self, id: InstanceId) {
        if !matches!(self.stage, Stage::Adopting(_)) {
            self.stage = Stage::Adopting(Adoption::default());
        }
        if let Stage::Adopting(adoption) = &mut self.stage {
            adoption.expect(id);
            self.incarnation = self.incarnation.max(id.0);
        }
    }

    /// The adoption that is not decided yet.
    pub(in crate::control::machine) fn adoption(&mut self) -> Option<&mut Adoption> {
        match &mut self.stage {
            Stage::Adopting(adoption) => Some(adoption),
            _ => None,
        }
    }

    /// It is known what an earlier process left: `running` goes on.
    pub(in crate::control::machine) fn adopt(
        &mut self,
        running: Option<Running>,
        rules: &Rules,
        ctx: &mut Context,
    ) {
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
    pub(in crate::control::machine) fn end_left_over(
        &mut self,
        running: Running,
        rules: &Rules,
        ctx: &mut Context,
    ) {
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
    pub(in crate::control::machine) fn is_due(&self, now: Moment) -> bool {
        matches!(self.stage, Stage::Waiting { until } if until <= now)
    }

    /// Something else has to come first: it waits to be told to [`begin`](Replica::begin).
    pub(in crate::control::machine) fn queue(&mut self) {
        self.stage = Stage::Queued;
    }

    /// Whether it waits to be told.
    pub(in crate::control::machine) fn is_queued(&self) -> bool {
        matches!(self.stage, Stage::Queued)
    }

    /// Begins a start.
    pub(in crate::control::machine) fn begin(&mut self, rules: &Rules, ctx: &mut Context) {
        let id = ctx.draw(self.place);
        self.incarnation = id.0;
        self.starts += 1;
        self.stage = Stage::Preparing { id };
        ctx.outbox.push(Action::Prepare { id, service: rules.service.clone() });
    }

    /// Whether it waits for this instance's intent.
    pub(in crate::control::machine) fn awaits_intent(&self, id: InstanceId) -> bool {
        matches!(self.stage, Stage::Preparing { id: expected } if expected == id)
    }

    /// The intent that it waited for is made, or cannot be.
    pub(in crate::control::machine) fn prepared(
        &mut self,
        id: InstanceId,
        result: Result<Intent, String>,
        rules: &Rules,
        ctx: &mut Context,
    ) {
        match result {
            Ok(intent) => {
                self.backoff.begin();
                let listed =
                    DurableInstance { id, name: self.name.clone(), intent: intent.clone(), record: None };
                ctx.storage.list(&rules.service, listed, self.place);
                self.stage = Stage::Storing { id, intent };
            }
            Err(reason) => {
                ctx.places.remove(&id);
                self.replacing = false;
                self.wait_for_provider(reason, rules, ctx);
            }
        }
    }

    /// The intent is durable.
    pub(in crate::control::machine) fn stored(
        &mut self,
        stored: InstanceId,
        rules: &Rules,
        ctx: &mut Context,
    ) {
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
    pub(in crate::control::machine) fn started(
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
        let running = Running { id: started, address, runs_as: record.runs_as() };
        let runs_as = running.runs_as;
        self.log(false, rules, ctx, format!("started as instance {} at {address}, {runs_as}", started.0));
        if self.is_wanted(rules, ctx) {
            let startup = Startup::new(rules.supervision.startup, ctx.now);
            self.stage = Stage::Starting { running, startup };
        } else {
            self.ask(running, rules, ctx);
        }
    }

    pub(super) fn activate(&mut self, answers: u64, rules: &Rules, ctx: &mut Context) {
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
}
