//! The way out, in order; and what follows an end that was not asked for.

use std::time::Duration;

use super::{Cause, Replica, Rules, Running, Stage, discard, order_end};
use crate::base::supervision::Supervision;
use crate::control::machine::context::Context;
use crate::control::machine::event::Action;
use crate::control::machine::stop::Stop;
use crate::control::view::Failure;
use crate::provider::InstanceId;

/// How long the exchanges on a silent replica may take to finish: it is not expected to finish any.
const SILENT_DRAIN: Duration = Duration::from_millis(100);
/// From the stop signal of a silent replica to its kill, at most.
const SILENT_STOP_TIMEOUT: Duration = Duration::from_millis(500);

impl Replica {
    /// The process of an instance has ended, and how is about to be told.
    pub(in crate::control::machine) fn down(&mut self, down: InstanceId, ctx: &mut Context) {
        if matches!(&self.stage, Stage::Active { running, .. } if running.id == down) {
            self.down = Some(down);
            ctx.outbox.push(Action::SetHealth { id: down, up: false });
        }
    }

    /// Nothing of an instance runs any more.
    pub(in crate::control::machine) fn ended(
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

    /// Nothing is under way on an instance that is draining.
    pub(in crate::control::machine) fn idle(&mut self, id: InstanceId, rules: &Rules, ctx: &mut Context) {
        if let Stage::Stopping { running, stop, .. } = &mut self.stage
            && running.id == id
        {
            let ending = stop.idle(ctx.now);
            order_end(id, ending, rules, ctx);
        }
    }

    /// It is no member any more: what is there of it ends in order.
    pub(in crate::control::machine) fn leave(&mut self, rules: &Rules, ctx: &mut Context) {
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
    pub(in crate::control::machine) fn replace(&mut self, rules: &Rules, ctx: &mut Context) {
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
    pub(in crate::control::machine) fn shut_down(&mut self, rules: &Rules, ctx: &mut Context) {
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
                order_end(id, ending, rules, ctx);
            }
            _ => self.give_up_start(rules, ctx),
        }
    }

    /// Takes back a start of which the provider was not told yet.
    pub(super) fn give_up_start(&mut self, rules: &Rules, ctx: &mut Context) {
        match &self.stage {
            Stage::Storing { id, intent } => {
                ctx.places.remove(id);
                ctx.storage.unlist(&rules.service, *id);
                discard(intent.clone(), rules, ctx);
                self.stage = Stage::Gone;
            }
            Stage::Preparing { .. } | Stage::Queued | Stage::Waiting { .. } => self.stage = Stage::Gone,
            _ => {}
        }
    }

    fn unroute(&mut self, id: InstanceId, ctx: &mut Context) {
        self.published = None;
        ctx.outbox.push(Action::SetHealth { id, up: false });
        ctx.outbox.publish();
        ctx.outbox.push_after_publish(Action::AwaitIdle { id });
    }

    pub(super) fn ask(&mut self, running: Running, rules: &Rules, ctx: &mut Context) {
        let (stop, ending) = Stop::ask(rules.supervision.stop_timeout, ctx.now);
        self.stage = Stage::Stopping { running, stop, cause: None };
        order_end(running.id, Some(ending), rules, ctx);
    }

    pub(super) fn kill(&mut self, cause: Cause, rules: &Rules, ctx: &mut Context) {
        let Stage::Starting { running, .. } = &self.stage else { return };
        let running = *running;
        let (stop, ending) = Stop::kill(ctx.now);
        self.stage = Stage::Stopping { running, stop, cause: Some(cause) };
        order_end(running.id, Some(ending), rules, ctx);
    }

    pub(super) fn fail(&mut self, cause: Cause, log_tail: Vec<String>, rules: &Rules, ctx: &mut Context) {
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

    /// The provider cannot begin a start now. Only the first of such refusals in a row is logged.
    pub(super) fn wait_for_provider(&mut self, reason: String, rules: &Rules, ctx: &mut Context) {
        if ctx.stopping {
            self.stage = Stage::Gone;
            return;
        }
        let pause = self.backoff.refuse(&rules.supervision, &mut ctx.random);
        self.stage = Stage::Waiting { until: ctx.now + pause };
        if self.backoff.refusals() == 1 {
            let text =
                format!("{reason}; starts again in {} ms, and is tried until it can", pause.as_millis());
            self.log(true, rules, ctx, text);
        }
        self.last_failure = Some(Failure { reason, log_tail: Vec::new() });
    }
}
