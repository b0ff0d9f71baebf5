//! What becomes of the world by what the machine wants done, and whether it may want that.

use std::time::Duration;

use ringway::base::supervision::OnExit;
use ringway::base::time::Moment;
use ringway::control::machine::event::{Action, CallId, Event, Members, Probe};
use ringway::provider::{Ending, Instance, InstanceId};

use crate::judge::Circumstances;
use crate::operator::members;
use crate::saboteur::Plant;
use crate::stage::{heartbeat, supervision, supervision_of};
use crate::timeline::{Happening, Probed};
use crate::world::{Stage, World};

/// A heartbeat takes up to this each way.
const TRIP: Duration = Duration::from_millis(4);
/// Actions in one second of virtual time, beside those that events account for.
const ACTIONS_MAX: u64 = 1_500;
/// Actions in one second for each event that is no tick.
const ACTIONS_PER_EVENT_MAX: u64 = 30;

impl World {
    /// Does what the machine wants.
    pub(crate) fn perform(&mut self) {
        let Some(machine) = &mut self.machine else { return };
        for action in machine.take_actions() {
            for action in self.saboteur.action(action) {
                let is_told = self.crash_before.as_mut().is_some_and(|is_now| is_now(&action));
                if is_told || self.timeline.random.chance(self.crash_chance) {
                    self.crash_before = None;
                    let down = Duration::from_millis(self.timeline.random.below(800));
                    return self.crash(down);
                }
                self.count_action();
                let now = self.now();
                if self.machine.is_none() {
                    return self.accuse(format!("an action after the last one: {action:?}"));
                }
                self.ledger.mark(now, &action);
                self.act(action);
            }
        }
    }

    fn count_action(&mut self) {
        if self.now().since(self.window.0) >= Duration::from_secs(1) {
            self.window = (self.now(), 0, 0);
        }
        self.window.2 += 1;
        if self.window.2 == ACTIONS_MAX + ACTIONS_PER_EVENT_MAX * self.window.1 {
            self.accuse(format!("{} actions within a second", self.window.2));
        }
    }

    fn act(&mut self, action: Action) {
        let (life, now) = (self.life, self.now());
        match action {
            Action::Persist { version, state } => {
                if self.saboteur.old_file.is_none() && now.since(Moment::ORIGIN) > Duration::from_secs(1) {
                    self.saboteur.old_file = Some(state.clone());
                }
                if !self.disk.is_idle() && !self.saboteur.is(Plant::EarlyPersisted) {
                    self.accuse(format!("version {version} is to be written while another is"));
                }
                self.disk.persist(version, state, life, &mut self.timeline);
            }
            Action::Publish => self.publish(),
            Action::SetHealth { id, up } => {
                if !self.cores.knows(id) {
                    self.accuse(format!("health of {id:?}, which is not published"));
                }
                self.cores.set_health(id, up);
            }
            Action::Prepare { id, .. } => self.provider.prepare(id, life, &mut self.timeline),
            Action::Discard { intent, .. } => {
                self.provider.discard(&intent, &self.timeline, &mut self.ledger);
            }
            Action::Start(instance) => self.start(instance),
            Action::Adopt { instance, record } => {
                self.judge.begin(instance.clone(), now);
                self.provider.adopt(instance, record, life, &mut self.timeline);
            }
            Action::End { id, ending, .. } => {
                self.log.ends.push((now, id, ending));
                self.judge(id, Some(ending));
                self.provider.end(id, ending, &mut self.timeline);
            }
            Action::Heartbeat { id, address, probe, timeout } => {
                let connect_only = probe == Probe::Connect;
                let probed = Probed { id, address, connect_only, sent: now, timeout };
                self.timeline.soon(TRIP, Happening::Probed(life, probed));
            }
            Action::AwaitIdle { id } => {
                if self.cores.is_routed(id) {
                    self.accuse(format!("{id:?} shall become idle and is still routed"));
                }
                self.judge(id, None);
                if self.saboteur.is(Plant::EarlyIdle) {
                    self.timeline.after(Duration::ZERO, Happening::Told(life, Event::Idle { id }));
                } else {
                    self.cores.await_idle(id);
                }
            }
            Action::Answer { id, answer } => {
                if let Some(name) = self.lives_on(id).filter(|_| answer.is_ok()) {
                    self.accuse(format!("{id:?} was to wait for the end of {name}, which lives"));
                }
                let held = self.disk.held();
                self.operator.answered(id, &answer, held, now, &mut self.ledger);
                self.log.answers.insert(id, answer);
            }
            Action::Log(note) => self.ledger.weigh(note.text),
            Action::Finished => self.finish(),
        }
    }

    /// Who lives of those whose end a call waits for.
    fn lives_on(&self, id: CallId) -> Option<String> {
        let (service, names) = self.operator.awaits_end_of(id)?;
        let held = members(self.disk.held(), service);
        let lives = |name: &&String| {
            let is_it =
                |instance: &Instance| &*instance.service == service && instance.name.as_str() == **name;
            self.provider.owned().any(|(_, instance)| is_it(instance))
        };
        names.iter().filter(|name| !held.contains(name)).find(lives).cloned()
    }

    /// An intent has to be on the disk before what it is the intent of.
    fn start(&mut self, instance: Instance) {
        let held = self.disk.held().services.get(&instance.service);
        let is_held = held.is_some_and(|service| {
            service.instances.iter().any(|held| {
                (held.id, &held.name, &held.intent) == (instance.id, &instance.name, &instance.intent)
            })
        });
        if !is_held {
            self.accuse(format!("{instance:?} is started, and its intent is not on the disk"));
        }
        if matches!(self.stage, Stage::Stopping(_)) {
            self.accuse(format!("{instance:?} is started while Ringway stops"));
        }
        self.judge.begin(instance.clone(), self.now());
        self.log.starts.push((self.now(), instance.clone()));
        self.provider.start(instance, self.life, &mut self.timeline, &mut self.ledger);
    }

    /// Lets the judge know what there is to know when an instance is taken out (`None`) or ended.
    fn judge(&mut self, id: InstanceId, ending: Option<Ending>) {
        let Some(instance) = self.judge.instance(id).cloned() else {
            return self
                .accuse(format!("{id:?} shall end, which was neither started nor adopted, or has ended"));
        };
        let plan = self.plans.iter().find(|plan| plan.name == instance.service);
        let (policy, default) = (heartbeat(), supervision());
        let rules = plan.and_then(supervision_of).unwrap_or(&default);
        let names = members(self.disk.held(), &instance.service);
        let of = Circumstances {
            now: self.timeline.now(),
            cores: &self.cores,
            policy: &policy,
            supervision: rules,
            member: plan.is_some()
                && names.iter().any(|name| name == instance.name.as_str())
                && !self.dropped.contains(&(instance.service.clone(), instance.name.to_string())),
            members: &names,
            stops: matches!(self.stage, Stage::Stopping(_)) && rules.on_exit == OnExit::Stop,
            lives: self.provider.of(id).is_some(),
        };
        match ending {
            Some(ending) => self.judge.end(id, ending, &of, &mut self.ledger),
            None => self.judge.replace(id, &of, &mut self.ledger),
        }
    }

    /// What is published is the desired state, with the addresses of those that have answered.
    fn publish(&mut self) {
        let Some(machine) = &self.machine else { return };
        let mut all = machine.members();
        let addresses = |all: &[Members]| {
            all.iter().flat_map(|of| &of.replicas).filter(|replica| replica.address.is_some()).count()
        };
        if self.saboteur.is(Plant::StuckPublication) && addresses(&all) < addresses(self.cores.newest()) {
            return;
        }
        if self.saboteur.is(Plant::WrongAddress) {
            let replicas = all.iter_mut().flat_map(|of| &mut of.replicas);
            replicas.filter_map(|replica| replica.address.as_mut()).for_each(|address| address.set_port(1));
        }
        if all.len() != self.plans.len() {
            self.accuse(format!("{} services are published of {}", all.len(), self.plans.len()));
        }
        let wrong: Vec<String> = all.iter().filter_map(|of| self.misprint(of)).collect();
        wrong.into_iter().for_each(|what| self.accuse(what));
        self.cores.publish(all, &mut self.timeline);
    }

    /// What is wrong with the publication of a service of Ringway's own.
    fn misprint(&self, of: &Members) -> Option<String> {
        let plan = self.plans.iter().find(|plan| plan.name == of.service)?;
        supervision_of(plan)?;
        let mut wanted = members(&self.machine.as_ref()?.durable(), &of.service);
        let mut names: Vec<String> = of.replicas.iter().map(|replica| replica.name.to_string()).collect();
        wanted.sort();
        names.sort();
        if names != wanted && self.stage == Stage::Up {
            return Some(format!("{names:?} of {} are published where {wanted:?} shall be", of.service));
        }
        let last = self.cores.newest().iter().find(|last| last.service == of.service);
        let has_moved = last.into_iter().flat_map(|last| &last.replicas).any(|last| {
            let same = of.replicas.iter().find(|replica| replica.name == last.name);
            same.is_some_and(|replica| replica.ordinal != last.ordinal)
        });
        if has_moved || !of.replicas.is_sorted_by(|one, other| one.ordinal < other.ordinal) {
            return Some(format!("ordinals are not in order, or not kept: {of:?}"));
        }
        let mut addressed = of.replicas.iter().filter(|replica| replica.address.is_some());
        let wrong = addressed.find(|replica| {
            let id = InstanceId(replica.incarnation);
            !self.judge.heard(id).is_some_and(|instance| {
                instance.name.as_str() == &*replica.name
                    && replica.address.is_some_and(|address| Some(address.port()) == instance.intent.port())
            })
        });
        wrong.map(|replica| format!("published, and not known to serve: {replica:?}"))
    }

    /// The machine says that nothing is left to wait for.
    fn finish(&mut self) {
        let Stage::Stopping(down) = self.stage else {
            return self.accuse("it is finished, and nobody asked it to stop");
        };
        self.ledger.reach("stopped in order");
        if self.operator.pending() > 0 {
            self.accuse("calls are not answered at the end");
        }
        if !self.disk.is_idle() {
            self.accuse("the end does not wait for what is still being written");
        }
        let left: Vec<String> = self.unwanted_after_exit().map(|instance| format!("{instance:?}")).collect();
        if !left.is_empty() {
            self.accuse(format!("left after an orderly stop: {left:?}"));
        }
        self.leave(down);
    }

    /// Processes that an orderly stop may not leave.
    fn unwanted_after_exit(&self) -> impl Iterator<Item = &Instance> {
        let keeps = |service: &str| {
            let plan = self.plans.iter().find(|plan| &*plan.name == service);
            plan.and_then(supervision_of).is_some_and(|supervision| supervision.on_exit == OnExit::Keep)
        };
        self.provider.owned().map(|(_, instance)| instance).filter(move |instance| {
            let is_member = members(self.disk.held(), &instance.service)
                .iter()
                .any(|name| name == instance.name.as_str());
            !(keeps(&instance.service) && is_member)
        })
    }
}
