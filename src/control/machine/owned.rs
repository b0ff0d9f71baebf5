//! A service whose replicas Ringway starts: which there are, and what they owe to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, Milestone};
use super::detector::WatchRule;
use super::event::Members;
use super::plan::ServicePlan;
use super::replica::{Replica, Rules, Running, discard};
use super::timers::Place;
use crate::base::algorithm::Algorithm;
use crate::base::replica_name::ReplicaName;
use crate::base::supervision::Supervision;
use crate::base::time::Moment;
use crate::control::desired::Changed;
use crate::control::durable::{DurableInstance, DurableMember};
use crate::control::view::ServiceView;
use crate::provider::{InstanceId, Intent, ProviderEvent};

/// Starts of all services that are under way at once, from the intent until the provider reports.
pub(super) const STARTS_MAX: usize = 64;

/// One service, in or out of the configuration.
#[derive(Debug)]
pub(super) struct OwnedService {
    rules: Rules,
    /// `None`: the configuration does not have it any more, and what is there of it ends.
    plan: Option<Plan>,
    index: usize,
    /// By a number that counts up, so in the order in which they came.
    replicas: BTreeMap<u64, Replica>,
    next_number: u64,
    /// Those that are silent and wait for their turn to be replaced.
    silent: BTreeSet<u64>,
    /// Those whose turn it is.
    replacing: BTreeSet<u64>,
}

#[derive(Debug)]
struct Plan {
    provider: &'static str,
    algorithm: Algorithm,
    queues_starts: bool,
}

impl OwnedService {
    /// A service of the configuration.
    pub(super) fn planned(
        plan: &ServicePlan,
        provider: &'static str,
        supervision: Supervision,
        queues_starts: bool,
        index: usize,
    ) -> Self {
        let rules =
            Rules { service: plan.name.clone(), watch: WatchRule::of(plan.heartbeat.as_ref()), supervision };
        OwnedService::new(rules, Some(Plan { provider, algorithm: plan.algorithm, queues_starts }), index)
    }

    /// A service that the configuration does not have any more.
    pub(super) fn left_over(name: &str, index: usize) -> Self {
        let rules =
            Rules { service: name.into(), watch: WatchRule::of(None), supervision: Supervision::default() };
        OwnedService::new(rules, None, index)
    }

    fn new(rules: Rules, plan: Option<Plan>, index: usize) -> Self {
        OwnedService {
            rules,
            plan,
            index,
            replicas: BTreeMap::new(),
            next_number: 0,
            silent: BTreeSet::new(),
            replacing: BTreeSet::new(),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.rules.service
    }

    /// How its replicas are kept running.
    pub(super) fn supervision(&self) -> &Supervision {
        &self.rules.supervision
    }

    /// How it places keys; `None` for a service that is not in the configuration.
    pub(super) fn algorithm(&self) -> Option<&Algorithm> {
        self.plan.as_ref().map(|plan| &plan.algorithm)
    }

    /// Begins: members without a trace of an instance are started, instances that may be running are looked for.
    pub(super) fn open(&mut self, members: &[DurableMember], listed: &[DurableInstance], ctx: &mut Context) {
        for member in members {
            self.insert(member.name.clone(), member.ordinal, true, ctx);
        }
        for instance in listed {
            let known = self.replicas.iter().find(|(_, replica)| replica.name == instance.name);
            let number = match known {
                Some((&number, _)) => number,
                None => self.insert(instance.name.clone(), 0, false, ctx),
            };
            ctx.places.insert(instance.id, self.place(number));
            if let Some(replica) = self.replicas.get_mut(&number) {
                replica.expect(instance.id);
            }
            ctx.adopt(&self.rules.service, instance);
        }
        self.settle_all(ctx);
    }

    fn insert(&mut self, name: ReplicaName, ordinal: u32, member: bool, ctx: &Context) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let replica = Replica::new(name, ordinal, member, self.place(number), ctx.now);
        self.replicas.insert(number, replica);
        number
    }

    fn place(&self, replica: u64) -> Place {
        Place { service: self.index, replica }
    }

    /// Lets a replica deal with something, and draws the consequences.
    pub(super) fn with(
        &mut self,
        number: u64,
        ctx: &mut Context,
        act: impl FnOnce(&mut Replica, &Rules, &mut Context),
    ) {
        if let Some(replica) = self.replicas.get_mut(&number) {
            act(replica, &self.rules, ctx);
        }
        self.settle(number, ctx);
        self.replace_silent(ctx);
    }

    /// A provider reports on an instance of this replica.
    pub(super) fn on_provider(&mut self, number: u64, event: ProviderEvent, ctx: &mut Context) {
        match event {
            ProviderEvent::Started { id, address, record } => {
                ctx.storage.record(&self.rules.service, id, record.clone());
                self.with(number, ctx, |replica, rules, ctx| {
                    replica.started(id, address, &record, rules, ctx)
                });
            }
            ProviderEvent::Adopted { id, address, record } => {
                if let Some(adoption) = self.replicas.get_mut(&number).and_then(Replica::adoption) {
                    adoption.found(id, address, record.runs_as());
                    ctx.storage.record(&self.rules.service, id, record);
                    self.conclude_adoption(number, ctx);
                }
            }
            ProviderEvent::Down { id } => self.with(number, ctx, |replica, _, ctx| replica.down(id, ctx)),
            ProviderEvent::Ended { id, reason, log_tail } => {
                ctx.storage.unlist(&self.rules.service, id);
                ctx.places.remove(&id);
                if let Some(adoption) = self.replicas.get_mut(&number).and_then(Replica::adoption) {
                    adoption.ended(id);
                    self.conclude_adoption(number, ctx);
                } else {
                    self.with(number, ctx, |replica, rules, ctx| {
                        replica.ended(id, reason, log_tail, rules, ctx);
                    });
                }
            }
        }
    }

    /// When it is known of each instance of a name whether it runs, the newest goes on and the others end.
    fn conclude_adoption(&mut self, number: u64, ctx: &mut Context) {
        let Some(replica) = self.replicas.get_mut(&number) else { return };
        let Some(adoption) = replica.adoption().filter(|adoption| adoption.is_decided()) else { return };
        let (newest, others) = std::mem::take(adoption).outcome();
        replica.adopt(newest, &self.rules, ctx);
        let name = replica.name.clone();
        for running in others {
            self.end_left_over(name.clone(), running, ctx);
        }
        self.with(number, ctx, |_, _, _| {});
    }

    fn end_left_over(&mut self, name: ReplicaName, running: Running, ctx: &mut Context) {
        let number = self.insert(name, 0, false, ctx);
        ctx.places.insert(running.id, self.place(number));
        self.with(number, ctx, |replica, rules, ctx| replica.end_left_over(running, rules, ctx));
    }

    /// A change of members is durable: makes it true. Returns the places of the replicas that it is about.
    pub(super) fn commit(&mut self, changed: &Changed, ctx: &mut Context) -> Vec<Place> {
        ctx.outbox.publish();
        let mut numbers: Vec<u64> = changed
            .added
            .iter()
            .map(|member| self.insert(member.name.clone(), member.ordinal, true, ctx))
            .collect();
        let removed: BTreeSet<&ReplicaName> = changed.removed.iter().collect();
        let leaving = self.replicas.iter().filter(|(_, one)| one.member && removed.contains(&one.name));
        let leaving: Vec<u64> = leaving.map(|(&number, _)| number).collect();
        for &number in &leaving {
            if let Some(replica) = self.replicas.get_mut(&number) {
                replica.leave(&self.rules, ctx);
            }
        }
        numbers.extend(leaving);
        for &number in &numbers {
            self.settle(number, ctx);
        }
        self.replace_silent(ctx);
        numbers.into_iter().map(|number| self.place(number)).collect()
    }

    /// Ringway stops.
    pub(super) fn shut_down(&mut self, ctx: &mut Context) {
        for replica in self.replicas.values_mut() {
            replica.shut_down(&self.rules, ctx);
        }
        self.settle_all(ctx);
    }

    /// Whether the end of Ringway has to wait for one of its replicas.
    pub(super) fn holds_up_exit(&self) -> bool {
        self.replicas.values().any(|replica| replica.holds_up_exit(&self.rules))
    }

    fn settle_all(&mut self, ctx: &mut Context) {
        let numbers: Vec<u64> = self.replicas.keys().copied().collect();
        for number in numbers {
            self.settle(number, ctx);
        }
    }

    /// Begins a start that is due, and keeps the service's books on a replica up to date.
    fn settle(&mut self, number: u64, ctx: &mut Context) {
        let Some(replica) = self.replicas.get(&number) else { return };
        if replica.is_due(ctx.now) {
            self.start(number, ctx);
        }
        let place = self.place(number);
        let Some(replica) = self.replicas.get(&number) else { return };
        keep(&mut ctx.beginning, place, self.queues_starts() && replica.is_beginning());
        keep(&mut self.silent, number, replica.is_silent(&self.rules));
        keep(&mut self.replacing, number, replica.is_replacing());
        ctx.timers.set(place, replica.deadline());
        if replica.is_gone() {
            self.drop_replica(number, ctx);
        }
    }

    fn queues_starts(&self) -> bool {
        self.plan.as_ref().is_none_or(|plan| plan.queues_starts)
    }

    /// Starts a replica, unless an older instance of its name has not ended (there are never two), or so many others are
    /// starting that it has to wait its turn.
    fn start(&mut self, number: u64, ctx: &mut Context) {
        let Some(replica) = self.replicas.get(&number) else { return };
        let has_older = self.of_name(&replica.name, false).next().is_some();
        let (place, queues_starts) = (self.place(number), self.queues_starts());
        let Some(replica) = self.replicas.get_mut(&number) else { return };
        if ctx.stopping {
            replica.shut_down(&self.rules, ctx);
        } else if has_older {
            replica.queue();
        } else if queues_starts && ctx.beginning.len() >= STARTS_MAX {
            replica.queue();
            ctx.queue.insert(place);
        } else {
            replica.begin(&self.rules, ctx);
        }
    }

    /// Those of this name that are members, or that are not.
    fn of_name(&self, name: &ReplicaName, member: bool) -> impl Iterator<Item = (u64, &Replica)> {
        let of_name = move |(_, one): &(&u64, &Replica)| one.member == member && one.name == *name;
        self.replicas.iter().filter(of_name).map(|(&number, one)| (number, one))
    }

    /// Nothing of a replica is left.
    fn drop_replica(&mut self, number: u64, ctx: &mut Context) {
        let Some(gone) = self.replicas.remove(&number) else { return };
        let place = self.place(number);
        ctx.queue.remove(&place);
        ctx.milestones.push(Milestone::Gone(place));
        let waits = self.of_name(&gone.name, true).find(|(_, replica)| replica.is_queued());
        if let Some((successor, _)) = waits {
            ctx.queue.insert(self.place(successor));
        }
        if self.plan.is_none() && self.replicas.is_empty() {
            ctx.storage.forget(&self.rules.service);
        }
    }

    /// The turn of a replica that was queued has come.
    pub(super) fn take_turn(&mut self, number: u64, ctx: &mut Context) {
        if self.replicas.get(&number).is_some_and(Replica::is_queued) {
            self.start(number, ctx);
            self.settle(number, ctx);
        }
    }

    /// Replaces silent replicas, but only some at once: when many are silent, load is a likelier reason than death, and
    /// fewer replicas would make it worse.
    fn replace_silent(&mut self, ctx: &mut Context) {
        if self.silent.is_empty() || ctx.stopping {
            return;
        }
        let members = self.replicas.values().filter(|replica| replica.member).count();
        let at_once = (members / 3).max(1);
        while self.replacing.len() < at_once
            && let Some(&number) = self.silent.first()
        {
            if let Some(replica) = self.replicas.get_mut(&number) {
                replica.replace(&self.rules, ctx);
            }
            self.silent.remove(&number);
            self.settle(number, ctx);
        }
    }

    /// The names that nothing else may have yet, though no member has them.
    pub(super) fn leaving(&self) -> BTreeSet<ReplicaName> {
        self.replicas.values().filter(|replica| !replica.member).map(|replica| replica.name.clone()).collect()
    }

    /// For a snapshot; `None` if the service is not in the configuration.
    pub(super) fn members(&self) -> Option<Members> {
        self.plan.as_ref()?;
        let members = self.replicas.values().filter(|replica| replica.member);
        let mut replicas: Vec<_> = members.map(Replica::spec).collect();
        replicas.sort_unstable_by_key(|replica| replica.ordinal);
        Some(Members { service: self.rules.service.clone(), replicas })
    }

    /// For the operator's eyes; `None` if the service is not in the configuration.
    pub(super) fn view(&self, now: Moment) -> Option<ServiceView> {
        let plan = self.plan.as_ref()?;
        let (members, others): (Vec<_>, Vec<_>) = self.replicas.values().partition(|replica| replica.member);
        Some(ServiceView {
            name: self.rules.service.clone(),
            provider: plan.provider,
            algorithm: plan.algorithm,
            replicas: members
                .into_iter()
                .chain(others)
                .map(|replica| replica.view(&self.rules, now))
                .collect(),
        })
    }

    /// An intent is made, or cannot be. If nobody waits for it any more, it is given back.
    pub(super) fn prepared(
        &mut self,
        number: u64,
        id: InstanceId,
        result: Result<Intent, String>,
        ctx: &mut Context,
    ) {
        if self.replicas.get(&number).is_some_and(|replica| replica.awaits_intent(id)) {
            self.with(number, ctx, |replica, rules, ctx| replica.prepared(id, result, rules, ctx));
        } else {
            ctx.places.remove(&id);
            if let Ok(intent) = result {
                discard(intent, &self.rules, ctx);
            }
        }
    }

    /// The instance's intent is durable.
    pub(super) fn stored(&mut self, number: u64, id: InstanceId, ctx: &mut Context) {
        self.with(number, ctx, |replica, rules, ctx| replica.stored(id, rules, ctx));
    }
}

fn keep<T: Ord>(set: &mut BTreeSet<T>, one: T, is_in: bool) {
    if is_in {
        set.insert(one);
    } else {
        set.remove(&one);
    }
}
