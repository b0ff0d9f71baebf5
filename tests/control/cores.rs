//! The data plane as control sees it: generations that cores take late, and exchanges that hold on to instances.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::time::Moment;
use ringway::control::machine::event::{Event, Members};
use ringway::placement::{ObservationKind, ReplicaSpec};
use ringway::provider::InstanceId;

use crate::provider::Provider;
use crate::timeline::{Happening, Life, Timeline};
use crate::trouble::Mood;

/// How many cores there are.
const CORES: usize = 2;
/// A core takes a generation within this.
const TAKE: Duration = Duration::from_millis(20);
/// It hears of idleness within this.
const REPORT: Duration = Duration::from_millis(10);
/// A client waits this long for an answer.
const FIRST_BYTE: Duration = Duration::from_millis(1_500);

#[derive(Debug)]
struct Exchange {
    id: InstanceId,
    /// What is said of the instance when it is over, instead of counting an answer.
    fault: Option<ObservationKind>,
}

/// The cores of one life of Ringway.
#[derive(Debug)]
pub(crate) struct Cores {
    life: Life,
    generation: u64,
    snapshots: BTreeMap<u64, Rc<Vec<Members>>>,
    taken: [u64; CORES],
    health: BTreeMap<InstanceId, bool>,
    exchanges: BTreeMap<u64, Exchange>,
    exchange_next: u64,
    awaited: Vec<(InstanceId, u64)>,
    /// The last generation in which an instance had an address.
    routed: BTreeMap<InstanceId, u64>,
    /// When it was taken out.
    unrouted: BTreeMap<InstanceId, Moment>,
    answers: BTreeMap<InstanceId, u64>,
    pub(crate) ended: bool,
    /// The share of exchanges that never end.
    pub(crate) endless: f64,
}

fn addressed(members: &[Members]) -> impl Iterator<Item = (&str, &ReplicaSpec)> {
    members
        .iter()
        .flat_map(|of| of.replicas.iter().map(|replica| (&*of.service, replica)))
        .filter(|(_, replica)| replica.address.is_some())
}

impl Cores {
    pub(crate) fn new(life: Life, endless: f64) -> Self {
        Cores {
            life,
            generation: 0,
            snapshots: BTreeMap::from([(0, Rc::default())]),
            taken: [0; CORES],
            health: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            exchange_next: 0,
            awaited: Vec::new(),
            routed: BTreeMap::new(),
            unrouted: BTreeMap::new(),
            answers: BTreeMap::new(),
            ended: false,
            endless,
        }
    }

    pub(crate) fn newest(&self) -> &[Members] {
        &self.snapshots[&self.generation]
    }

    pub(crate) fn publish(&mut self, members: Vec<Members>, timeline: &mut Timeline) {
        self.generation += 1;
        for (_, replica) in addressed(&members) {
            self.routed.insert(InstanceId(replica.incarnation), self.generation);
            self.unrouted.remove(&InstanceId(replica.incarnation));
            self.health.entry(InstanceId(replica.incarnation)).or_insert(true);
        }
        for (id, last) in &self.routed {
            if *last < self.generation {
                self.unrouted.entry(*id).or_insert(timeline.now());
                self.health.remove(id);
            }
        }
        self.snapshots.insert(self.generation, Rc::new(members));
        for core in 0..CORES {
            timeline.soon(TAKE, Happening::Taken(self.life, core, self.generation));
        }
    }

    pub(crate) fn take(&mut self, core: usize, generation: u64) {
        self.taken[core] = self.taken[core].max(generation);
        let oldest = self.taken.into_iter().min().unwrap_or_default();
        self.snapshots.retain(|generation, _| *generation >= oldest);
    }

    /// Whether the newest snapshot has an address for it.
    pub(crate) fn is_routed(&self, id: InstanceId) -> bool {
        !self.ended && self.routed.get(&id) == Some(&self.generation)
    }

    /// When it was taken out, if it ever was in.
    pub(crate) fn unrouted(&self, id: InstanceId) -> Option<Moment> {
        self.unrouted.get(&id).copied()
    }

    /// Whether nothing is sent to it and nothing can be any more.
    pub(crate) fn is_idle(&self, id: InstanceId) -> bool {
        let last = self.routed.get(&id).copied().unwrap_or_default();
        let is_past = self.taken.iter().all(|taken| *taken > last) || last == 0;
        self.ended || is_past && self.exchanges.values().all(|exchange| exchange.id != id)
    }

    pub(crate) fn await_idle(&mut self, id: InstanceId) {
        self.awaited.push((id, self.generation));
    }

    /// Tells of those that have become idle. Called after everything that can make one so.
    pub(crate) fn report_idle(&mut self, timeline: &mut Timeline) {
        let oldest = self.taken.into_iter().min().unwrap_or_default();
        let exchanges = &self.exchanges;
        let busy = |id| exchanges.values().any(|exchange| exchange.id == id);
        let life = self.life;
        self.awaited.retain(|&(id, generation)| {
            let idle = oldest >= generation && !busy(id);
            if idle {
                timeline.soon(REPORT, Happening::Told(life, Event::Idle { id }));
            }
            !idle
        });
    }

    /// Whether the newest snapshot has the instance at an address.
    pub(crate) fn knows(&self, id: InstanceId) -> bool {
        addressed(self.newest()).any(|(_, replica)| replica.incarnation == id.0)
    }

    pub(crate) fn set_health(&mut self, id: InstanceId, up: bool) {
        self.health.insert(id, up);
    }

    pub(crate) fn is_up(&self, id: InstanceId) -> bool {
        self.health.get(&id).copied().unwrap_or_default()
    }

    pub(crate) fn answers(&self, id: InstanceId) -> u64 {
        self.answers.get(&id).copied().unwrap_or_default()
    }

    /// Clients go on getting answers from an instance that is picked.
    pub(crate) fn crowd(&mut self, id: InstanceId) {
        if self.is_routed(id) && self.is_up(id) {
            *self.answers.entry(id).or_default() += 3;
        }
    }

    /// A client's request: one core picks a replica, and sends it there.
    pub(crate) fn request(&mut self, provider: &Provider, timeline: &mut Timeline) {
        if self.ended {
            return;
        }
        let core = timeline.random.below(CORES as u64) as usize;
        let snapshot = self.snapshots[&self.taken[core]].clone();
        let picks: Vec<&ReplicaSpec> = addressed(&snapshot)
            .map(|(_, replica)| replica)
            .filter(|replica| self.is_up(InstanceId(replica.incarnation)))
            .collect();
        if picks.is_empty() {
            return;
        }
        let replica = picks[timeline.random.below(picks.len() as u64) as usize];
        let id = InstanceId(replica.incarnation);
        let server = replica.address.and_then(|address| provider.at(address));
        let (lasting, fault) = match server.map(|server| server.mood) {
            None => {
                self.set_health(id, false);
                let kind = ObservationKind::Unreachable;
                return timeline.soon(REPORT, Happening::Told(self.life, Event::Observed { id, kind }));
            }
            Some(Mood::Silent) => (FIRST_BYTE, Some(ObservationKind::FirstByteTimedOut)),
            Some(_) if timeline.random.chance(self.endless) => (Duration::from_secs(3_600), None),
            Some(_) => (timeline.within(Duration::from_millis(300)), None),
        };
        self.exchange_next += 1;
        self.exchanges.insert(self.exchange_next, Exchange { id, fault });
        timeline.after(lasting, Happening::Responded(self.life, self.exchange_next));
    }

    /// An exchange is over.
    pub(crate) fn respond(&mut self, exchange: u64, timeline: &mut Timeline) {
        let Some(Exchange { id, fault }) = self.exchanges.remove(&exchange) else { return };
        match fault {
            Some(kind) => timeline.soon(REPORT, Happening::Told(self.life, Event::Observed { id, kind })),
            None => *self.answers.entry(id).or_default() += 1,
        }
    }

    /// A server is gone: so are the exchanges on it.
    pub(crate) fn cut(&mut self, id: InstanceId, timeline: &mut Timeline) {
        let before = self.exchanges.len();
        self.exchanges.retain(|_, exchange| exchange.id != id);
        if self.exchanges.len() < before {
            let kind = ObservationKind::BadAnswer;
            timeline.soon(REPORT, Happening::Told(self.life, Event::Observed { id, kind }));
        }
    }

    /// The cores end, and what was under way on them.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.exchanges.clear();
        self.taken = [self.generation; CORES];
    }

    /// A published instance with an address, by a number that chance drew.
    pub(crate) fn pick(&self, number: u64) -> Option<InstanceId> {
        let all: Vec<u64> = addressed(self.newest()).map(|(_, replica)| replica.incarnation).collect();
        (!all.is_empty()).then(|| InstanceId(all[(number % all.len() as u64) as usize]))
    }
}
