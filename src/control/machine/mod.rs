//! The control thread's decisions: desired against observed state. Pure: events and `now` in, actions out.
//!
//! A service's replicas are in `owned` (those that Ringway starts) or `fixed`; one replica's life is in `replica`, with a
//! file for each of its parts: `adopt`, `startup`, `detector`, `stop`, `backoff`. What has to be durable is in `storage`,
//! and what operators ask for in `calls`.

mod adopt;
mod backoff;
mod calls;
mod context;
mod detector;
pub mod event;
mod fixed;
mod outbox;
mod owned;
pub mod plan;
mod replica;
mod startup;
mod stop;
mod storage;
#[cfg(test)]
mod tests;
mod timers;

use std::time::Duration;

use calls::{Asked, CALLS_MAX, Calls, Pending, Waiting};
use context::Context;
use event::{Action, CallId, Event, Heartbeat, Members};
use fixed::FixedService;
use owned::OwnedService;
use plan::{ReplicasPlan, ServicePlan};
use storage::{Conclusion, Start, Storage};
use timers::Place;

use crate::base::replica_name::ReplicaName;
use crate::base::time::Moment;
use crate::control::call::{Call, CallError};
use crate::control::desired::{self, Circumstances};
use crate::control::durable::DurableState;
use crate::control::view::View;
use crate::placement::{ObservationKind, PlacementError};
use crate::provider::{InstanceId, Intent, ProviderEvent};

/// What a call that waits for the end of replicas allows beyond their time to drain and to stop: for the kill.
const KILL_BUDGET: Duration = Duration::from_secs(1);

/// The control thread's state. Whoever owns it tells it what happens ([`Machine::handle`]), does what it asks for
/// ([`Machine::take_actions`], in this order), and tells it of the time at [`Machine::deadline`] at the latest.
///
/// The same plans, durable state, seed and events give the same actions.
#[derive(Debug)]
pub struct Machine {
    /// In the order of the configuration; after them those that left it.
    services: Vec<Service>,
    calls: Calls,
    context: Context,
    exit: Exit,
}

#[derive(Debug)]
enum Service {
    Fixed(FixedService),
    Owned(OwnedService),
}

/// How far the end of the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Running,
    /// Instances are ended.
    Stopping,
    /// What is left to know is written down for the last time.
    Writing,
    Finished,
}

impl Machine {
    /// Begins with what the configuration says, and what an earlier process left in the state file. The first actions
    /// are there at once.
    ///
    /// # Errors
    /// When a service's placement does not take its members.
    pub fn new(
        plans: Vec<ServicePlan>,
        durable: DurableState,
        seed: u64,
        now: Moment,
    ) -> Result<Self, PlacementError> {
        let earlier = durable.clone();
        let mut context = Context::new(Storage::new(durable), seed, now);
        let mut services = Vec::with_capacity(plans.len());
        for (index, plan) in plans.iter().enumerate() {
            services.push(Service::open(plan, index, &earlier, &mut context)?);
        }
        for (name, left) in &earlier.services {
            let is_planned =
                |service: &Service| matches!(service, Service::Owned(owned) if owned.name() == &**name);
            if services.iter().any(is_planned) {
                continue;
            }
            context.storage.leave(name);
            let mut owned = OwnedService::left_over(name, services.len());
            owned.open(&[], &left.instances, &mut context);
            services.push(Service::Owned(owned));
        }
        context.outbox.publish();
        let mut machine = Machine { services, calls: Calls::default(), context, exit: Exit::Running };
        machine.conclude();
        Ok(machine)
    }

    /// Takes note of something that happened. `now` never goes back.
    pub fn handle(&mut self, event: Event, now: Moment) {
        self.context.now = self.context.now.max(now);
        match event {
            Event::Tick => {}
            Event::Call { id, call, clock_ms } => self.on_call(Asked { id, call, clock_ms }),
            Event::Persisted { version, result } => self.on_persisted(version, result),
            Event::Prepared { id, result } => self.on_prepared(id, result),
            Event::Provider(event) => self.on_provider(event),
            Event::Heartbeat(beat) => self.on_heartbeat(beat),
            Event::Observed { id, kind } => self.on_observed(id, kind),
            Event::Idle { id } => self.on_idle(id),
            Event::Shutdown => self.on_shutdown(),
        }
        self.conclude();
    }

    /// What is to be done, in this order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        self.context.outbox.take()
    }

    /// When it wants [`Event::Tick`] at the latest.
    pub fn deadline(&self) -> Moment {
        if self.exit == Exit::Finished {
            return Moment::NEVER;
        }
        let Context { timers, storage, .. } = &self.context;
        timers.next().min(storage.deadline()).min(self.calls.deadline())
    }

    /// The members of all services of the configuration, in its order: what [`Action::Publish`] is about.
    pub fn members(&self) -> Vec<Members> {
        let members = |service: &Service| match service {
            Service::Fixed(fixed) => Some(fixed.members()),
            Service::Owned(owned) => owned.members(),
        };
        self.services.iter().filter_map(members).collect()
    }

    /// What there is to see of it.
    pub fn view(&self, now: Moment) -> View {
        let view = |service: &Service| match service {
            Service::Fixed(fixed) => Some(fixed.view()),
            Service::Owned(owned) => owned.view(now),
        };
        View {
            services: self.services.iter().filter_map(view).collect(),
            storage_fault: self.context.storage.fault().map(str::to_owned),
        }
    }

    /// What should be durable, whether it is or not; without a call's change that is not durable yet.
    pub fn durable(&self) -> DurableState {
        self.context.storage.state().clone()
    }

    fn place(&self, id: InstanceId) -> Option<Place> {
        self.context.places.get(&id).copied()
    }

    fn owned(&mut self, id: InstanceId) -> Option<(&mut OwnedService, u64, &mut Context)> {
        let place = self.place(id)?;
        match self.services.get_mut(place.service)? {
            Service::Owned(owned) => Some((owned, place.replica, &mut self.context)),
            Service::Fixed(_) => None,
        }
    }

    fn on_prepared(&mut self, id: InstanceId, result: Result<Intent, String>) {
        if let Some((owned, number, context)) = self.owned(id) {
            owned.with(number, context, |replica, rules, ctx| replica.prepared(id, result, rules, ctx));
        }
    }

    fn on_provider(&mut self, event: ProviderEvent) {
        let (ProviderEvent::Started { id, .. }
        | ProviderEvent::Adopted { id, .. }
        | ProviderEvent::Ended { id, .. }) = &event;
        if let Some((owned, number, context)) = self.owned(*id) {
            owned.on_provider(number, event, context);
        }
    }

    fn on_heartbeat(&mut self, beat: Heartbeat) {
        let Some(place) = self.place(beat.id) else { return };
        match self.services.get_mut(place.service) {
            Some(Service::Fixed(fixed)) => fixed.heartbeat(place.replica, &beat, &mut self.context),
            Some(Service::Owned(owned)) => {
                let act = |replica: &mut replica::Replica, rules: &_, ctx: &mut _| {
                    replica.heartbeat(beat, rules, ctx);
                };
                owned.with(place.replica, &mut self.context, act);
            }
            None => {}
        }
    }

    fn on_observed(&mut self, id: InstanceId, kind: ObservationKind) {
        let Some(place) = self.place(id) else { return };
        match self.services.get_mut(place.service) {
            Some(Service::Fixed(fixed)) => fixed.observed(place.replica, kind, &mut self.context),
            Some(Service::Owned(owned)) => {
                let act = |replica: &mut replica::Replica, rules: &_, ctx: &mut Context| {
                    replica.observed(id, kind, rules, ctx.now);
                };
                owned.with(place.replica, &mut self.context, act);
            }
            None => {}
        }
    }

    fn on_idle(&mut self, id: InstanceId) {
        if let Some((owned, number, context)) = self.owned(id) {
            owned.with(number, context, |replica, rules, ctx| replica.idle(id, rules, ctx));
        }
    }

    fn on_call(&mut self, asked: Asked) {
        let id = asked.id;
        if self.context.stopping {
            self.answer(id, Err(CallError::Stopping));
        } else if self.calls.ask(asked).is_err() {
            self.answer(id, Err(CallError::Busy(CALLS_MAX)));
        }
    }

    fn on_persisted(&mut self, version: u64, result: Result<(), String>) {
        let was_faulty = self.context.storage.fault().is_some();
        match self.context.storage.conclude(version, result, self.context.now) {
            Conclusion::Stale => {}
            Conclusion::Stored(starts) => {
                if was_faulty {
                    self.context.outbox.log(false, "", "", "the state is stored again".to_owned());
                }
                for Start { place, id } in starts {
                    if let Some(Service::Owned(owned)) = self.services.get_mut(place.service) {
                        owned.stored(place.replica, id, &mut self.context);
                    }
                }
                if let Some(pending) = self.calls.conclude(self.context.storage.version()) {
                    self.commit(pending);
                }
            }
            Conclusion::Failed(fault) => {
                if !was_faulty {
                    let text =
                        format!("the state cannot be stored, and nothing is started until it can: {fault}");
                    self.context.outbox.log(true, "", "", text);
                }
                if let Some(pending) = self.calls.conclude(self.context.storage.version()) {
                    self.answer(pending.id, Err(CallError::Storage(fault)));
                }
            }
        }
    }

    fn on_shutdown(&mut self) {
        if self.exit != Exit::Running {
            return;
        }
        self.exit = Exit::Stopping;
        self.context.stopping = true;
        for id in self.calls.refuse() {
            self.answer(id, Err(CallError::Stopping));
        }
        for service in &mut self.services {
            if let Service::Owned(owned) = service {
                owned.shut_down(&mut self.context);
            }
        }
    }

    /// What follows every event.
    fn conclude(&mut self) {
        self.run_timers();
        self.look_at_calls();
        self.end_waiting();
        self.flush(false);
        self.finish();
        self.context.outbox.close();
    }

    fn run_timers(&mut self) {
        for place in self.context.timers.due(self.context.now) {
            match self.services.get_mut(place.service) {
                Some(Service::Fixed(fixed)) => fixed.on_time(place.replica, &mut self.context),
                Some(Service::Owned(owned)) => {
                    owned.with(place.replica, &mut self.context, |replica, rules, ctx| {
                        replica.on_time(rules, ctx)
                    });
                }
                None => {}
            }
        }
    }

    /// Looks at calls in their order, until one of them makes a change that has to become durable.
    fn look_at_calls(&mut self) {
        while let Some(Asked { id, call, clock_ms }) = self.calls.next() {
            match self.propose(id, &call, clock_ms) {
                Ok(pending) => self.calls.pend(pending),
                Err(error) => self.answer(id, Err(error)),
            }
        }
    }

    fn propose(&mut self, id: CallId, call: &Call, clock_ms: u32) -> Result<Pending, CallError> {
        let (service, owned) = self.resolve(call.service.as_deref())?;
        let (Some(algorithm), name) = (owned.algorithm().copied(), owned.name()) else {
            return Err(CallError::NoService(owned.name().into()));
        };
        let leaving = owned.leaving();
        let members = self.context.storage.members(name).to_vec();
        let circumstances = Circumstances { algorithm: &algorithm, leaving: &leaving, clock_ms };
        let changed = desired::change(&members, &call.change, &circumstances, &mut self.context.random)?;
        Ok(Pending { id, service, changed, wait: call.wait, version: None })
    }

    /// The service that a call is about.
    fn resolve(&self, name: Option<&str>) -> Result<(usize, &OwnedService), CallError> {
        let services = || self.services.iter().enumerate();
        let owned = || {
            services().filter_map(|(index, service)| match service {
                Service::Owned(owned) if owned.algorithm().is_some() => Some((index, owned)),
                _ => None,
            })
        };
        let Some(name) = name else {
            let mut all = owned();
            return match (all.next(), all.next()) {
                (Some(only), None) => Ok(only),
                (Some(_), Some(_)) => {
                    let names: Vec<&str> = owned().map(|(_, owned)| owned.name()).collect();
                    Err(CallError::Ambiguous(names.join(", ")))
                }
                (None, _) => Err(self.nothing_owned()),
            };
        };
        let is_fixed = |(_, service): (usize, &Service)| matches!(service, Service::Fixed(fixed) if fixed.name() == name);
        match owned().find(|(_, owned)| owned.name() == name) {
            Some(found) => Ok(found),
            None if services().any(is_fixed) => Err(CallError::Static(name.into())),
            None => Err(CallError::NoService(name.into())),
        }
    }

    /// No service is named, and none is Ringway's own.
    fn nothing_owned(&self) -> CallError {
        let fixed: Vec<&str> = self
            .services
            .iter()
            .filter_map(|service| match service {
                Service::Fixed(fixed) => Some(fixed.name()),
                Service::Owned(_) => None,
            })
            .collect();
        CallError::Static(fixed.join(", ").into())
    }

    /// A call's change is durable: makes it true.
    fn commit(&mut self, pending: Pending) {
        let Pending { id, service, changed, wait, .. } = pending;
        let Some(Service::Owned(owned)) = self.services.get_mut(service) else { return };
        self.context.storage.commit_members(owned.name(), &changed.members);
        let gone = changed.added.is_empty();
        let left = owned.commit(&changed, &mut self.context).into_iter().collect();
        let supervision = owned.supervision();
        let budget = match gone {
            true => supervision.drain + supervision.stop_timeout + KILL_BUDGET,
            false => supervision.startup,
        };
        if wait {
            self.calls.wait(Waiting { id, service, left, gone, since: self.context.now, budget });
        } else {
            self.answer_with_members(id, service);
        }
    }

    fn end_waiting(&mut self) {
        let milestones = std::mem::take(&mut self.context.milestones);
        self.calls.note(&milestones);
        let now = self.context.now;
        for (waiting, complete) in self.calls.over(now, self.context.stopping) {
            if complete {
                self.answer_with_members(waiting.id, waiting.service);
            } else {
                self.answer(waiting.id, Err(CallError::NotInTime(now.since(waiting.since).as_secs())));
            }
        }
    }

    fn answer_with_members(&mut self, id: CallId, service: usize) {
        let Some(Service::Owned(owned)) = self.services.get(service) else { return };
        let members = self.context.storage.members(owned.name());
        let names: Vec<ReplicaName> = members.iter().map(|member| member.name.clone()).collect();
        self.answer(id, Ok(names));
    }

    fn answer(&mut self, id: CallId, answer: Result<Vec<ReplicaName>, CallError>) {
        self.context.outbox.push(Action::Answer { id, answer });
    }

    /// Has written what is not durable yet; in a `hurry` also if the pause after a failure is not over.
    fn flush(&mut self, hurry: bool) {
        let pending = self.calls.unsent();
        let proposal = pending.as_deref().and_then(|pending| match self.services.get(pending.service) {
            Some(Service::Owned(owned)) => Some((owned.name(), pending.changed.members.as_slice())),
            _ => None,
        });
        let hurry = hurry || proposal.is_some();
        let storage = &mut self.context.storage;
        if let Some(persist) = storage.flush(proposal, hurry, self.context.now) {
            if let Some(pending) = pending {
                pending.version = Some(storage.version());
            }
            self.context.outbox.push(persist);
        }
    }

    /// Ends when nothing is left to wait for.
    fn finish(&mut self) {
        let holds_up = |service: &Service| matches!(service, Service::Owned(owned) if owned.holds_up_exit());
        if self.exit == Exit::Stopping
            && !self.context.storage.is_writing()
            && !self.services.iter().any(holds_up)
        {
            self.exit = Exit::Writing;
            if self.context.storage.is_behind() {
                self.flush(true);
                return;
            }
        }
        if self.exit == Exit::Writing && !self.context.storage.is_writing() {
            self.exit = Exit::Finished;
            self.context.outbox.push_after_publish(Action::Finished);
        }
    }
}

impl Service {
    fn open(
        plan: &ServicePlan,
        index: usize,
        earlier: &DurableState,
        ctx: &mut Context,
    ) -> Result<Self, PlacementError> {
        let (provider, count, supervision) = match &plan.replicas {
            ReplicasPlan::Static(replicas) => {
                return FixedService::open(plan, replicas, index, ctx).map(Service::Fixed);
            }
            ReplicasPlan::Owned { provider, count, supervision } => (*provider, *count, *supervision),
        };
        let stored = earlier.services.get(&plan.name);
        let members = match stored {
            Some(stored) if stored.count == count as u64 => stored.members.clone(),
            Some(stored) => desired::with_count(stored.members.clone(), count),
            None => desired::initial(count),
        };
        desired::check_placement(&plan.algorithm, &members)
            .map_err(|fault| PlacementError { service: plan.name.clone(), fault })?;
        ctx.storage.set_members(&plan.name, count as u64, &members);
        let mut owned = OwnedService::planned(plan, provider, supervision, index);
        owned.open(&members, stored.map_or(&[], |stored| &stored.instances), ctx);
        Ok(Service::Owned(owned))
    }
}
