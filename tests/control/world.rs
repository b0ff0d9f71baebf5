//! Ringway's control machine in a world that fails: the disk, the provider, the cores and the operators around it, on a
//! virtual clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringway::base::time::Moment;
use ringway::control::call::CallAnswer;
use ringway::control::durable::DurableState;
use ringway::control::machine::Machine;
use ringway::control::machine::event::{Action, CallId, Event, Heartbeat};
use ringway::control::machine::plan::{ReplicasPlan, ServicePlan};
use ringway::provider::{Ending, Instance, InstanceId, ProviderEvent};

use crate::cores::Cores;
use crate::disk::Disk;
use crate::judge::Judge;
use crate::ledger::Ledger;
use crate::operator::{Operator, members};
use crate::provider::Provider;
use crate::saboteur::{Plant, Saboteur};
use crate::suffer::suffer;
use crate::timeline::{Happening, Life, Probed, Timeline};
use crate::trouble::Mood;

/// A heartbeat takes up to this each way.
const TRIP: Duration = Duration::from_millis(4);
/// Between requests of clients.
const REQUESTS: Duration = Duration::from_millis(40);

/// How Ringway is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is not running.
    Down,
    /// It runs.
    Up,
    /// It was asked to stop; then it is started again after this.
    Stopping(Duration),
}

/// Whether Ringway is to be killed before an action.
pub(crate) type Trap = Box<dyn FnMut(&Action) -> bool>;

/// The world.
pub(crate) struct World {
    pub(crate) timeline: Timeline,
    pub(crate) ledger: Ledger,
    pub(crate) disk: Disk,
    pub(crate) provider: Provider,
    pub(crate) cores: Cores,
    pub(crate) judge: Judge,
    pub(crate) operator: Operator,
    pub(crate) saboteur: Saboteur,
    /// The services of the configuration file, and whether each is in it now.
    pub(crate) file: Vec<(ServicePlan, bool)>,
    /// What this life was started with.
    pub(crate) plans: Vec<ServicePlan>,
    pub(crate) life: Life,
    pub(crate) stage: Stage,
    pub(crate) machine: Option<Machine>,
    /// How late the control thread is.
    pub(crate) lag: Duration,
    /// Clients keep asking.
    pub(crate) traffic: bool,
    /// The chance of a crash before each action.
    pub(crate) crash_chance: f64,
    /// Ringway is killed before the first action of which this is so.
    pub(crate) crash_before: Option<Trap>,
    pub(crate) log: Log,
    /// Members on the disk that the file has no place for any more.
    pub(crate) dropped: BTreeSet<(Box<str>, String)>,
    /// Since when, for the bound on actions; events and actions since.
    pub(crate) window: (Moment, u64, u64),
}

/// What was done, for those who ask afterwards.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) starts: Vec<(Moment, Instance)>,
    pub(crate) ends: Vec<(Moment, InstanceId, Ending)>,
    pub(crate) answers: BTreeMap<CallId, CallAnswer>,
    /// When an instance of a name ended last.
    pub(crate) ended: BTreeMap<(Box<str>, String), Moment>,
    /// When no port was free last.
    pub(crate) portless: Moment,
}

impl World {
    pub(crate) fn new(seed: u64, file: Vec<ServicePlan>, plant: Option<Plant>) -> Self {
        let mut world = World {
            timeline: Timeline::new(seed),
            ledger: Ledger::default(),
            disk: Disk::default(),
            provider: Provider::default(),
            cores: Cores::new(Life(0), 0.0),
            judge: Judge::default(),
            operator: Operator::default(),
            saboteur: Saboteur::new(plant),
            file: file.into_iter().map(|plan| (plan, true)).collect(),
            plans: Vec::new(),
            life: Life(0),
            stage: Stage::Down,
            machine: None,
            lag: Duration::ZERO,
            traffic: true,
            crash_chance: 0.0,
            crash_before: None,
            log: Log::default(),
            dropped: BTreeSet::new(),
            window: (Moment::ORIGIN, 0, 0),
        };
        world.disk.lies = plant == Some(Plant::EarlyPersisted);
        world.disk.forgets_instances = plant == Some(Plant::NoIntents);
        world.disk.keeps_members = plant == Some(Plant::StaleMembers);
        world.provider.plant.starts_twice = plant == Some(Plant::DoubleStart);
        world.provider.plant.forgets_the_living = plant == Some(Plant::BlindAdoption);
        let fixed: Vec<_> =
            world.file.iter().filter_map(|(plan, _)| fixed_addresses(plan)).flatten().collect();
        fixed.into_iter().for_each(|address| world.provider.add_static(address));
        world.timeline.after(Duration::ZERO, Happening::Begins);
        world.timeline.after(REQUESTS, Happening::Requested);
        world
    }

    pub(crate) fn now(&self) -> Moment {
        self.timeline.now()
    }

    pub(crate) fn accuse(&mut self, what: impl Into<String>) {
        let now = self.now();
        self.ledger.accuse(now, what);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, lasting: Duration) {
        let until = self.now() + lasting;
        while self.step(until) {}
        self.timeline.advance(until);
    }

    /// Lets time pass until something is so. Returns how long that took, or `None` if it did not within `limit`.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut is_so: impl FnMut(&World) -> bool,
    ) -> Option<Duration> {
        let (began, until) = (self.now(), self.now() + limit);
        loop {
            if is_so(self) {
                return Some(self.now().since(began));
            }
            if !self.step(until) {
                self.timeline.advance(until);
                return is_so(self).then_some(limit);
            }
        }
    }

    /// The next thing that happens before `until`, if anything does. Nothing does after a violation: the diary ends there.
    fn step(&mut self, until: Moment) -> bool {
        if !self.ledger.violations.is_empty() {
            return false;
        }
        let tick = self.machine.as_ref().map_or(Moment::NEVER, |machine| machine.deadline() + self.lag);
        let next = self.timeline.next().unwrap_or(Moment::NEVER);
        if tick.min(next) > until {
            return false;
        }
        if tick < next {
            self.timeline.advance(tick);
            self.tell(Event::Tick);
        } else if let Some(happening) = self.timeline.pop() {
            self.happen(happening);
        }
        self.cores.report_idle(&mut self.timeline);
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Told(life, event) if life == self.life => self.tell(event),
            Happening::Written(life) if life == self.life => {
                let event = self.disk.written(&mut self.timeline);
                if let Some(Event::Persisted { result: Ok(()), .. }) = event {
                    self.operator.written();
                }
                if let Some(event) = event {
                    self.tell(event);
                }
            }
            Happening::Spawned(life, instance) if life == self.life => {
                self.provider.spawn(instance, life, &mut self.timeline, &mut self.ledger);
            }
            Happening::Searched(life, instance, record) if life == self.life => {
                let (timeline, ledger) = (&self.timeline, &mut self.ledger);
                let event = self.provider.search(&instance, record.as_ref(), life, timeline, ledger);
                self.tell(Event::Provider(event));
            }
            Happening::Probed(life, probed) if life == self.life => self.probe(life, probed),
            Happening::Taken(life, core, generation) if life == self.life => {
                self.cores.take(core, generation)
            }
            Happening::Responded(life, exchange) if life == self.life => {
                self.cores.respond(exchange, &mut self.timeline);
            }
            Happening::Told(..)
            | Happening::Written(_)
            | Happening::Spawned(..)
            | Happening::Searched(..)
            | Happening::Probed(..)
            | Happening::Taken(..)
            | Happening::Responded(..) => {}
            Happening::Listens(pid) => self.provider.listen(pid),
            Happening::Exits(pid, reason) => self.exit(pid, reason),
            Happening::Recovers(pid, spell) => self.provider.recover(pid, spell, &mut self.timeline),
            Happening::Requested => {
                if self.traffic {
                    self.cores.request(&self.provider, &mut self.timeline);
                }
                self.timeline.soon(REQUESTS * 2, Happening::Requested);
            }
            Happening::Trouble(trouble) => suffer(self, trouble),
            Happening::Begins => self.begin(),
            Happening::Hurries => self.lag = Duration::ZERO,
        }
    }

    pub(crate) fn exit(&mut self, pid: crate::provider::Pid, reason: &str) {
        let process = self.provider.exit(pid, reason, self.life, &mut self.timeline);
        if let Some(instance) = process.and_then(|process| process.instance) {
            self.cores.cut(instance.id, &mut self.timeline);
        }
    }

    /// A heartbeat arrives: how it ends is decided by what is at its address.
    fn probe(&mut self, life: Life, probed: Probed) {
        let Probed { id, address, connect_only, sent, timeout } = probed;
        let mood = self.provider.at(address).map(|process| process.mood);
        if mood.is_some_and(|mood| mood != Mood::Silent) && self.traffic {
            self.cores.crowd(id);
        }
        let (answered, reason) = match mood {
            None => (false, "refused the connection"),
            Some(Mood::Well) => (true, ""),
            Some(_) if connect_only => (true, ""),
            Some(Mood::Erring) => (false, "answered with 503"),
            Some(Mood::Overloaded | Mood::Silent) => (false, "no answer in time"),
        };
        // A control thread that is late takes even a good answer for one that did not come in time.
        let (answered, reason) =
            if self.lag > timeout { (false, "no answer in time") } else { (answered, reason) };
        let over = if reason == "no answer in time" { sent + timeout } else { self.now() };
        let answers = self.cores.answers(id);
        let heartbeat = Heartbeat { id, answered, reason: reason.to_owned(), lag: self.lag, answers };
        let moment = over + self.timeline.within(TRIP) + self.lag;
        self.timeline.at(moment, Happening::Told(life, Event::Heartbeat(heartbeat)));
    }

    /// Ringway is started.
    fn begin(&mut self) {
        if self.stage != Stage::Down {
            return;
        }
        self.life = Life(self.life.0 + 1);
        self.stage = Stage::Up;
        self.plans = self.file.iter().filter(|(_, is_in)| *is_in).map(|(plan, _)| plan.clone()).collect();
        if self.saboteur.is(Plant::OldFile)
            && let Some(old) = self.saboteur.old_file.clone()
        {
            self.disk.replace(old);
        }
        let (now, endless) = (self.now(), self.cores.endless);
        self.cores = Cores::new(self.life, endless);
        self.judge = Judge::default();
        self.ledger.note(now, || format!("BEGIN {:?}", self.life));
        let seed = self.timeline.random.next();
        match Machine::new(self.plans.clone(), self.disk.read(), seed, now) {
            Ok(machine) => {
                let begun = machine.durable();
                let (held, ledger) = (self.disk.held(), &mut self.ledger);
                self.operator.begin(&self.plans, held, &begun, now, ledger);
                self.dropped = dropped(held, &begun);
                self.machine = Some(machine);
                self.perform();
            }
            Err(error) => self.accuse(format!("it does not start: {error}")),
        }
    }

    /// Tells the machine, and does what it wants.
    pub(crate) fn tell(&mut self, event: Event) {
        let now = self.now();
        if let Event::Heartbeat(heartbeat) = &event {
            self.judge.hear(heartbeat, &self.cores);
        }
        let Some(event) = self.saboteur.event(event) else { return };
        match &event {
            Event::Provider(ProviderEvent::Ended { id, .. }) => {
                if let Some(Instance { service, name, .. }) = self.judge.instance(*id) {
                    self.log.ended.insert((service.clone(), name.to_string()), now);
                }
                self.judge.ended(*id);
            }
            Event::Prepared { result: Err(_), .. } => {
                self.judge.failed();
                self.log.portless = now;
            }
            _ => {}
        }
        let Some(machine) = &mut self.machine else { return };
        self.ledger.mark(now, &event);
        let is_tick = event == Event::Tick;
        self.window.1 += u64::from(!is_tick);
        machine.handle(event, now);
        self.perform();
        if let Some(machine) = &self.machine
            && is_tick
            && machine.deadline() <= now
        {
            self.accuse("the deadline does not move on after a tick");
        }
    }

    /// Ringway is gone without a word.
    pub(crate) fn crash(&mut self, down: Duration) {
        let Some(_) = self.machine.take() else { return };
        let now = self.now();
        self.ledger.note(now, || "CRASH".to_owned());
        self.ledger.reach(if self.stage == Stage::Up { "crash" } else { "crash while stopping" });
        self.leave(down);
    }

    /// This life of Ringway is over; another begins after this.
    pub(crate) fn leave(&mut self, down: Duration) {
        let now = self.now();
        self.machine = None;
        self.stage = Stage::Down;
        self.life = Life(self.life.0 + 1);
        self.disk.crash(&mut self.timeline);
        self.provider.crash(&mut self.timeline, &mut self.ledger);
        self.cores.end();
        self.operator.crash(self.disk.held(), now, &mut self.ledger);
        self.timeline.after(down, Happening::Begins);
    }

    /// Ringway is asked to stop: the cores have drained when the machine hears of it.
    pub(crate) fn shut_down(&mut self, down: Duration) {
        if self.stage == Stage::Up {
            self.stage = Stage::Stopping(down);
            self.cores.end();
            self.tell(Event::Shutdown);
        }
    }
}

fn fixed_addresses(plan: &ServicePlan) -> Option<Vec<std::net::SocketAddr>> {
    match &plan.replicas {
        ReplicasPlan::Static(replicas) => Some(replicas.iter().map(|replica| replica.address).collect()),
        ReplicasPlan::Owned { .. } => None,
    }
}

fn dropped(held: &DurableState, begun: &DurableState) -> BTreeSet<(Box<str>, String)> {
    let names = |state: &DurableState| -> BTreeSet<(Box<str>, String)> {
        let services = state.services.keys();
        services.flat_map(|name| members(state, name).into_iter().map(|one| (name.clone(), one))).collect()
    };
    &names(held) - &names(begun)
}
