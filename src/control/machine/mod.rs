//! The control thread's decisions: desired against observed state. Pure: events and `now` in, actions out.
//!
//! A service's replicas are in `owned` (those that Ringway starts) or `fixed`; one replica's life is in `replica`, with a
//! file for each of its parts: `adopt`, `startup`, `detector`, `stop`, `backoff`. What has to be durable is in `storage`,
//! and what operators ask for in `calls`.

mod adopt;
mod backoff;
mod call_queue;
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

use call_queue::{Asked, Calls};
use context::Context;
use event::{Action, Event, Heartbeat, Members};
use fixed::FixedService;
use owned::{OwnedService, STARTS_MAX};
use plan::{ReplicasPlan, ServicePlan};
use storage::{Conclusion, Start, Storage};
use timers::Place;

use crate::base::time::Moment;
use crate::control::call::CallError;
use crate::control::desired;
use crate::control::durable::DurableState;
use crate::control::view::View;
use crate::placement::{ObservationKind, PlacementError};
use crate::provider::{InstanceId, Intent, ProviderEvent};

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

    /// Takes note of something that happened. `now` never goes back. After [`Action::Finished`] nothing matters any more.
    pub fn handle(&mut self, event: Event, now: Moment) {
        if self.exit == Exit::Finished {
            return;
        }
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
            owned.prepared(number, id, result, context);
        }
    }

    fn on_provider(&mut self, event: ProviderEvent) {
        let (ProviderEvent::Started { id, .. }
        | ProviderEvent::Adopted { id, .. }
        | ProviderEvent::Down { id }
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

    fn on_persisted(&mut self, version: u64, result: Result<(), String>) {
        let was_faulty = self.context.storage.fault().is_some();
        match self.context.storage.conclude(version, result, self.context.now) {
            Conclusion::Stale => {}
            Conclusion::Stored(starts) => {
                if was_faulty {
                    self.context.outbox.log(false, "", "", "the state is stored again".to_owned());
                }
                // A removal may be about one of those that are to start.
                if let Some(pending) = self.calls.conclude(self.context.storage.version()) {
                    self.commit(pending);
                }
                for Start { place, id } in starts {
                    if let Some(Service::Owned(owned)) = self.services.get_mut(place.service) {
                        owned.stored(place.replica, id, &mut self.context);
                    }
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
        self.start_queued();
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

    /// Starts replicas that had to wait for others, as many as may start at once.
    fn start_queued(&mut self) {
        while self.context.beginning.len() < STARTS_MAX
            && let Some(place) = self.context.queue.pop_first()
        {
            if let Some(Service::Owned(owned)) = self.services.get_mut(place.service) {
                owned.take_turn(place.replica, &mut self.context);
            }
        }
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
        let (provider, count, supervision, queues_starts) = match &plan.replicas {
            ReplicasPlan::Static(replicas) => {
                return FixedService::open(plan, replicas, index, ctx).map(Service::Fixed);
            }
            ReplicasPlan::Owned { provider, count, supervision, queues_starts } => {
                (*provider, *count, *supervision, *queues_starts)
            }
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
        let mut owned = OwnedService::planned(plan, provider, supervision, queues_starts, index);
        owned.open(&members, stored.map_or(&[], |stored| &stored.instances), ctx);
        Ok(Service::Owned(owned))
    }
}
