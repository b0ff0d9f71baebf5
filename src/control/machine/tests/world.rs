//! What surrounds the machine in its tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::algorithm::Algorithm;
use crate::base::supervision::{HeartbeatPolicy, Supervision};
use crate::base::time::Moment;
use crate::control::call::{Call, CallAnswer, Change};
use crate::control::durable::DurableState;
use crate::control::machine::Machine;
use crate::control::machine::event::{Action, CallId, Event, Heartbeat};
use crate::control::machine::plan::{ReplicasPlan, ServicePlan, StaticReplica};
use crate::control::view::{ReplicaState, ReplicaView};
use crate::placement::ReplicaSpec;
use crate::provider::{Ending, Instance, InstanceId, IntendedPlace, Intent, ProviderEvent, Record};

/// A machine, its time, and what there is around it. Disk and provider answer at once, unless a test takes that over.
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) now: Moment,
    /// Everything that the machine wanted, with the time in milliseconds.
    pub(super) history: Vec<(u64, Action)>,
    pub(super) disk: DurableState,
    pub(super) disk_fault: Option<&'static str>,
    /// Instances that run.
    pub(super) running: BTreeMap<InstanceId, Instance>,
    /// Whether heartbeats of an instance are answered; those of others are refused.
    pub(super) serving: BTreeMap<InstanceId, bool>,
    /// Answers that clients had.
    pub(super) answers: BTreeMap<InstanceId, u64>,
    pub(super) lag: Duration,
    /// What becomes of the actions that a test takes over: they wait here.
    pub(super) held: Vec<Action>,
    pub(super) holds: fn(&Action) -> bool,
    /// Whether instances that are started serve.
    pub(super) healthy: bool,
    /// Whether instances heed the stop signal.
    pub(super) heedful: bool,
    pub(super) answered: Vec<(CallId, CallAnswer)>,
    /// The ports of intents that were given back.
    pub(super) discarded: Vec<u16>,
    calls: u64,
}

/// A service of `count` replicas of Ringway's own.
pub(super) fn owned(name: &str, count: usize) -> ServicePlan {
    ServicePlan {
        name: name.into(),
        algorithm: Algorithm::default(),
        heartbeat: Some(HeartbeatPolicy::default()),
        replicas: ReplicasPlan::Owned {
            provider: "process",
            count,
            supervision: Supervision::default(),
            queues_starts: true,
        },
    }
}

/// The same with other rules.
pub(super) fn supervised(name: &str, count: usize, change: impl FnOnce(&mut Supervision)) -> ServicePlan {
    let mut supervision = Supervision::default();
    change(&mut supervision);
    ServicePlan {
        replicas: ReplicasPlan::Owned { provider: "process", count, supervision, queues_starts: true },
        ..owned(name, count)
    }
}

/// A service of one server of somebody else's.
pub(super) fn fixed(name: &str, heartbeat: Option<HeartbeatPolicy>) -> ServicePlan {
    let replica =
        StaticReplica { name: "a".into(), address: SocketAddr::from(([127, 0, 0, 1], 9_001)), weight: 1 };
    ServicePlan { heartbeat, replicas: ReplicasPlan::Static(vec![replica]), ..owned(name, 0) }
}

pub(super) fn record(id: InstanceId) -> Record {
    Record::Process { pid: 1_000 + id.0 as u32, start_ticks: id.0, boot_id: "boot".into() }
}

pub(super) fn address(id: InstanceId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 20_000 + id.0 as u16))
}

impl World {
    pub(super) fn new(plans: Vec<ServicePlan>) -> Self {
        World::after(plans, DurableState::default(), BTreeMap::new())
    }

    /// The next process, with the disk and the instances that the one before left.
    pub(super) fn after(
        plans: Vec<ServicePlan>,
        disk: DurableState,
        running: BTreeMap<InstanceId, Instance>,
    ) -> Self {
        let machine = Machine::new(plans, disk.clone(), 1, Moment::ORIGIN).unwrap();
        let serving = running.keys().map(|&id| (id, true)).collect();
        World {
            machine,
            now: Moment::ORIGIN,
            history: Vec::new(),
            disk,
            disk_fault: None,
            running,
            serving,
            answers: BTreeMap::new(),
            lag: Duration::ZERO,
            held: Vec::new(),
            holds: |_| false,
            healthy: true,
            heedful: true,
            answered: Vec::new(),
            discarded: Vec::new(),
            calls: 0,
        }
    }

    pub(super) fn millis(&self) -> u64 {
        self.now.since(Moment::ORIGIN).as_millis() as u64
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        self.settle();
        while self.machine.deadline() <= until {
            self.now = self.now.max(self.machine.deadline());
            self.tell(Event::Tick);
        }
        self.now = until;
    }

    /// Tells the machine of something, and does all that follows at once.
    pub(super) fn tell(&mut self, event: Event) {
        self.machine.handle(event, self.now);
        self.settle();
    }

    pub(super) fn settle(&mut self) {
        loop {
            let actions = self.machine.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.history.push((self.millis(), action.clone()));
                if (self.holds)(&action) {
                    self.held.push(action);
                } else {
                    self.perform(action);
                }
            }
        }
    }

    /// Holds no action any more, and does those that were held.
    pub(super) fn release(&mut self) {
        self.holds = |_| false;
        for action in std::mem::take(&mut self.held) {
            self.perform(action);
        }
        self.settle();
    }

    pub(super) fn perform(&mut self, action: Action) {
        let now = self.now;
        let reply = match action {
            Action::Persist { version, state } => Some(self.persist(version, state)),
            Action::Prepare { id, .. } => {
                let intent = Intent {
                    nonce: format!("{:032x}", id.0).into(),
                    place: IntendedPlace::Process { port: address(id).port() },
                };
                Some(Event::Prepared { id, result: Ok(intent) })
            }
            Action::Start(instance) => Some(self.start(instance)),
            Action::Adopt { instance, .. } => Some(self.adopt(&instance)),
            Action::End { id, ending, .. } => self.end(id, ending),
            Action::Heartbeat { id, .. } => Some(Event::Heartbeat(self.beat(id))),
            Action::AwaitIdle { id } => Some(Event::Idle { id }),
            Action::Answer { id, answer } => {
                self.answered.push((id, answer));
                None
            }
            Action::Discard { intent, .. } => {
                self.discarded.extend(intent.port());
                None
            }
            Action::Publish | Action::SetHealth { .. } | Action::Log(_) | Action::Finished => None,
        };
        if let Some(reply) = reply {
            self.machine.handle(reply, now);
        }
    }

    fn persist(&mut self, version: u64, state: DurableState) -> Event {
        let result = self.disk_fault.map_or(Ok(()), |fault| Err(fault.to_owned()));
        if result.is_ok() {
            self.disk = state;
        }
        Event::Persisted { version, result }
    }

    fn start(&mut self, instance: Instance) -> Event {
        let id = instance.id;
        let double = self
            .running
            .values()
            .find(|other| other.name == instance.name && other.service == instance.service);
        assert!(double.is_none(), "{instance:?} is started beside {double:?}");
        let listed = self.disk.services.values().flat_map(|service| &service.instances);
        assert_eq!(
            listed.filter(|listed| listed.id == id && listed.intent == instance.intent).count(),
            1,
            "{id:?}"
        );
        self.running.insert(id, instance);
        self.serving.insert(id, self.healthy);
        Event::Provider(ProviderEvent::Started { id, address: address(id), record: record(id) })
    }

    fn adopt(&mut self, instance: &Instance) -> Event {
        let id = instance.id;
        Event::Provider(match self.running.contains_key(&id) {
            true => ProviderEvent::Adopted { id, address: address(id), record: record(id) },
            false => ProviderEvent::Ended { id, reason: "was not found".into(), log_tail: Vec::new() },
        })
    }

    fn end(&mut self, id: InstanceId, ending: Ending) -> Option<Event> {
        let ends = self.heedful || ending == Ending::Kill;
        let reason = match ending {
            Ending::Ask => "exited with code 0",
            Ending::Kill => "killed by SIGKILL",
        };
        let runs = ends && self.running.remove(&id).is_some();
        runs.then(|| ended(id, reason))
    }

    pub(super) fn beat(&self, id: InstanceId) -> Heartbeat {
        let answered = self.serving.get(&id).is_some_and(|&serving| serving);
        let answers = self.answers.get(&id).copied().unwrap_or(0);
        Heartbeat { id, answered, reason: "refused the connection".into(), lag: self.lag, answers }
    }

    /// An instance exits by itself.
    pub(super) fn crash(&mut self, id: InstanceId) {
        assert!(self.running.remove(&id).is_some(), "{id:?} does not run");
        self.tell(ended(id, "exited with code 1"));
    }

    pub(super) fn call(&mut self, call: Call) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        self.tell(Event::Call { id, call, clock_ms: 789 });
        id
    }

    pub(super) fn answer(&self, id: CallId) -> Option<&CallAnswer> {
        self.answered.iter().find(|(answered, _)| *answered == id).map(|(_, answer)| answer)
    }

    pub(super) fn replicas(&self, service: &str) -> Vec<ReplicaView> {
        let view = self.machine.view(self.now);
        view.services.into_iter().find(|one| &*one.name == service).unwrap().replicas
    }

    pub(super) fn replica(&self, name: &str) -> ReplicaView {
        self.replicas("web").into_iter().find(|replica| &*replica.name == name).unwrap()
    }

    pub(super) fn states(&self) -> Vec<ReplicaState> {
        self.replicas("web").iter().map(|replica| replica.state).collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.replicas("web").iter().map(|replica| replica.name.to_string()).collect()
    }

    pub(super) fn member(&self, name: &str) -> Option<ReplicaSpec> {
        let members = self.machine.members().into_iter().flat_map(|members| members.replicas);
        members.into_iter().find(|replica| &*replica.name == name)
    }

    pub(super) fn id(&self, name: &str) -> InstanceId {
        InstanceId(self.replica(name).incarnation)
    }

    /// What was wanted so far, without heartbeats and log; and forgets it.
    pub(super) fn wanted(&mut self) -> Vec<Action> {
        let history = std::mem::take(&mut self.history);
        let is_step = |action: &Action| !matches!(action, Action::Heartbeat { .. } | Action::Log(_));
        history.into_iter().map(|(_, action)| action).filter(is_step).collect()
    }

    /// The moments, in milliseconds, at which the instance was told to end, and how.
    pub(super) fn endings(&self, of: InstanceId) -> Vec<(u64, Ending)> {
        let ending = |(at, action): &(u64, Action)| match action {
            Action::End { id, ending, .. } if *id == of => Some((*at, *ending)),
            _ => None,
        };
        self.history.iter().filter_map(ending).collect()
    }

    pub(super) fn count(&self, is_counted: impl Fn(&Action) -> bool) -> usize {
        self.history.iter().filter(|(_, action)| is_counted(action)).count()
    }

    /// The lines of the log.
    pub(super) fn log(&self) -> Vec<String> {
        let line = |(_, action): &(u64, Action)| match action {
            Action::Log(note) => Some(format!("{}: {}", note.replica, note.text)),
            _ => None,
        };
        self.history.iter().filter_map(line).collect()
    }
}

pub(super) fn ended(id: InstanceId, reason: &str) -> Event {
    let log_tail = vec!["the last line".to_owned()];
    Event::Provider(ProviderEvent::Ended { id, reason: reason.into(), log_tail })
}

pub(super) fn add(n: i64, names: &[&str]) -> Call {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Call { service: None, change: Change::Add { n, names }, wait: false }
}

pub(super) fn remove(n: i64, names: &[&str]) -> Call {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Call { service: None, change: Change::Remove { n, names }, wait: false }
}
