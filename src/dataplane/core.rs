//! What all connections of one core share.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crossbeam::channel::Sender;

use super::admission::{Admission, Capacity};
use super::date::DateText;
use super::load::Loads;
use super::upstream::Upstream;
use crate::base::core_counters::CoreCounters;
use crate::base::forwarding::ForwardingPolicy;
use crate::base::mailbox::Mailbox;
use crate::base::policy::ClientLimits;
use crate::base::time::Moment;
use crate::engine::Engine;
use crate::h1::{FieldTable, HeadLimits};
use crate::message::HttpDate;
use crate::placement::{KeyHash, Observation, ObservationKind, ReplicaId, Service, Snapshot, Subscriber};
use crate::proxy::request_id::{Id, RequestIds};
use crate::proxy::retry::{Attempts, FailedAttempt, RetryBudget, Verdict};

/// What a core is started with.
#[derive(Debug)]
pub struct CoreSettings {
    /// The core's number, from 0.
    pub index: usize,
    /// How many cores there are.
    pub cores: NonZeroUsize,
    /// Limits on clients, for all cores together.
    pub client: ClientLimits,
    /// How requests and answers are marked on their way.
    pub forwarding: ForwardingPolicy,
    /// How many client connections this core may have.
    pub capacity: Capacity,
    /// The snapshots that the core follows.
    pub snapshots: Subscriber,
    /// What the control thread says to this core.
    pub mailbox: Arc<Mailbox>,
    /// What the core tells the control thread of its replicas.
    pub observations: Sender<Observation>,
    /// Where the core counts.
    pub counters: Arc<CoreCounters>,
    /// Where random keys and request ids begin.
    pub seed: u64,
}

/// One core's state, shared by its tasks.
pub(super) struct Core<E: Engine> {
    pub(super) engine: E,
    pub(super) index: usize,
    cores: NonZeroUsize,
    pub(super) client: ClientLimits,
    pub(super) forwarding: ForwardingPolicy,
    pub(super) request_ids: Option<RequestIds>,
    pub(super) admission: Admission,
    pub(super) head_limits: HeadLimits,
    pub(super) counters: Arc<CoreCounters>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) fields: RefCell<FieldTable>,
    observations: Sender<Observation>,
    snapshots: RefCell<Subscriber>,
    view: RefCell<Rc<View<E>>>,
    pub(super) phase: Cell<Lifecycle>,
    random: Cell<u64>,
    date: DateText,
    /// Listeners that are open.
    pub(super) listening: Cell<usize>,
    drained: RefCell<Option<Waker>>,
}

/// How far a core is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lifecycle {
    /// Serving.
    Serving,
    /// Serving, but every answer ends its connection.
    LameDuck,
    /// No new connections; idle ones are closed.
    Draining,
}

/// A snapshot with this core's connections to the replicas in it.
pub(super) struct View<E: Engine> {
    pub(super) snapshot: Arc<Snapshot>,
    services: Box<[Rc<ServiceView<E>>]>,
}

/// One service with this core's connections to its replicas, in the order of `service.replicas`.
pub(super) struct ServiceView<E: Engine> {
    pub(super) service: Arc<Service>,
    pub(super) upstreams: Box<[Rc<Upstream<E>>]>,
    /// Where the service bounds its replicas' loads.
    loads: Option<Loads>,
    budget: RefCell<RetryBudget>,
}

impl<E: Engine> Core<E> {
    pub(super) fn new(engine: E, settings: CoreSettings) -> Self {
        let CoreSettings { index, cores, client, capacity, mut snapshots, .. } = settings;
        let view = View::new(snapshots.current().clone(), None, &settings.counters, (index, cores));
        let request_id = settings.forwarding.request_id.as_ref();
        let date = DateText::new(engine.handle());
        let core = Core {
            engine,
            index,
            cores,
            client,
            request_ids: request_id.map(|policy| RequestIds::new(policy, settings.seed)),
            forwarding: settings.forwarding,
            admission: Admission::new(capacity, settings.counters.clone()),
            head_limits: HeadLimits { head_bytes_max: client.head_bytes_max, ..HeadLimits::default() },
            counters: settings.counters,
            mailbox: settings.mailbox,
            fields: RefCell::default(),
            observations: settings.observations,
            snapshots: RefCell::new(snapshots),
            view: RefCell::new(Rc::new(view)),
            phase: Cell::new(Lifecycle::Serving),
            // Xorshift must not begin at zero.
            random: Cell::new(settings.seed | 1),
            date,
            listening: Cell::new(0),
            drained: RefCell::default(),
        };
        core.counters.generation.set(core.view.borrow().snapshot.generation);
        core
    }

    pub(super) fn now(&self) -> Moment {
        self.engine.handle().now()
    }

    /// The id that the answer to a request with this head carries, if answers do.
    pub(super) fn answered_id<'a>(&'a self, head: &'a [u8]) -> Option<Id<'a>> {
        let ids = self.request_ids.as_ref().filter(|ids| ids.on_answers)?;
        Some(Id { ids, text: ids.written(head)? })
    }

    /// What an answer of now says in its Date field.
    pub(super) fn date(&self) -> HttpDate {
        self.date.now(self.engine.handle())
    }

    /// The newest snapshot's view. Where nothing was published since the last call this is one atomic load.
    pub(super) fn view(&self) -> Ref<'_, Rc<View<E>>> {
        let mut snapshots = self.snapshots.borrow_mut();
        let newest = snapshots.current();
        if !Arc::ptr_eq(newest, &self.view.borrow().snapshot) {
            let newest = newest.clone();
            self.adopt(newest);
        }
        self.view.borrow()
    }

    fn adopt(&self, snapshot: Arc<Snapshot>) {
        let generation = snapshot.generation;
        let old = self.view.borrow().clone();
        let new = View::new(snapshot, Some(&old), &self.counters, (self.index, self.cores));
        *self.view.borrow_mut() = Rc::new(new);
        self.counters.generation.set(generation);
    }

    /// Tells the control thread what was seen of a replica; never waits for it.
    pub(super) fn observe(&self, upstream: &Upstream<E>, kind: ObservationKind) {
        if kind == ObservationKind::Unreachable {
            upstream.replica.health.clear();
        }
        let observation = Observation { replica: upstream.replica.clone(), kind };
        if self.observations.try_send(observation).is_err() {
            self.counters.observations_dropped.increment();
        }
    }

    /// The next number of a xorshift generator: for keys that go anywhere, not for secrets.
    pub(super) fn random(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.random.set(state);
        state
    }

    /// Ready once no listener and no client connection is open, served or not.
    pub(super) fn poll_drained(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.admission.open() == 0 && self.listening.get() == 0 {
            return Poll::Ready(());
        }
        *self.drained.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    /// A client connection or a listener was closed.
    pub(super) fn connection_closed(&self) {
        self.admission.wake_listeners();
        if let Some(waker) = self.drained.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Closes pooled connections that are too old or that their replica closed.
    pub(super) fn sweep(&self) {
        let now = self.now();
        for upstream in self.view.borrow().upstreams() {
            upstream.sweep(now);
        }
    }

    /// Closes all pooled connections: no exchange will come any more.
    pub(super) fn retire_upstreams(&self) {
        for upstream in self.view.borrow().upstreams() {
            upstream.retire();
        }
    }
}

/// How often pools are swept: a fraction of the shortest idle time that is allowed.
pub(super) const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

impl<E: Engine> View<E> {
    fn new(
        snapshot: Arc<Snapshot>,
        old: Option<&View<E>>,
        counters: &Arc<CoreCounters>,
        (core, cores): (usize, NonZeroUsize),
    ) -> Self {
        let mut known: HashMap<ReplicaId, Rc<Upstream<E>>, ahash::RandomState> = old
            .iter()
            .flat_map(|old| old.upstreams())
            .map(|upstream| (upstream.replica.id, upstream.clone()))
            .collect();
        let services = snapshot
            .services
            .iter()
            .map(|service| {
                let kept =
                    old.and_then(|old| old.services.iter().find(|old| Arc::ptr_eq(&old.service, service)));
                if let Some(kept) = kept {
                    for replica in &service.replicas {
                        known.remove(&replica.id);
                    }
                    return kept.clone();
                }
                let limits = service.pool.of_core(core, cores);
                let upstreams = service
                    .replicas
                    .iter()
                    .map(|replica| match known.entry(replica.id) {
                        Entry::Occupied(old) if old.get().has(&limits) => old.remove(),
                        // One with other bounds stays among those that are gone.
                        _ => Rc::new(Upstream::new(replica.clone(), limits, counters.clone(), core)),
                    })
                    .collect();
                let budget = RefCell::new(RetryBudget::new(&service.retries));
                let loads = service.bounded_load.map(|rule| Loads::new(rule, service.replicas.len()));
                Rc::new(ServiceView { service: service.clone(), upstreams, loads, budget })
            })
            .collect();
        // In the order of the old view: the map's own is another in each process, and a simulation must repeat itself.
        for upstream in old.iter().flat_map(|old| old.upstreams()) {
            if known.contains_key(&upstream.replica.id) {
                upstream.retire();
            }
        }
        View { snapshot, services }
    }

    pub(super) fn service_for(&self, host: &[u8], path: &[u8]) -> Option<&Rc<ServiceView<E>>> {
        self.snapshot.service_index_for(host, path).map(|index| &self.services[index])
    }

    /// The service of the same name as `service`, which an older view may have been asked for.
    pub(super) fn successor_of(&self, service: &Service) -> Option<&Rc<ServiceView<E>>> {
        self.services.iter().find(|view| view.service.name == service.name)
    }

    fn upstreams(&self) -> impl Iterator<Item = &Rc<Upstream<E>>> {
        self.services.iter().flat_map(|service| &service.upstreams)
    }
}

impl<E: Engine> ServiceView<E> {
    /// The first replica in the key's order that is up, was not tried and, where the service bounds loads, is not over
    /// its bound; if all are over, the first of them; if all that are up were tried, the first that is up.
    pub(super) fn pick(
        &self,
        hash: KeyHash,
        tried: &[Option<ReplicaId>],
        now: impl FnOnce() -> Moment,
    ) -> Option<&Rc<Upstream<E>>> {
        // Nearly every request ends here: one row of the table, one health bit.
        let first = self.upstreams.get(usize::from(self.service.table().first(hash)?))?;
        if first.replica.health.is_up() && !tried.contains(&Some(first.replica.id)) && self.loads.is_none() {
            return Some(first);
        }
        self.pick_in_order(hash, tried, now)
    }

    fn pick_in_order(
        &self,
        hash: KeyHash,
        tried: &[Option<ReplicaId>],
        now: impl FnOnce() -> Moment,
    ) -> Option<&Rc<Upstream<E>>> {
        if let Some(loads) = &self.loads {
            loads.refresh(&self.upstreams, now());
        }
        let mut all = None;
        let mut has_room =
            |index| self.loads.as_ref().is_none_or(|loads| loads.has_room(&self.upstreams, index, &mut all));
        let (mut first_up, mut first_untried) = (None, None);
        for index in self.service.table().order(hash).map(usize::from) {
            let Some(upstream) = self.upstreams.get(index).filter(|one| one.replica.health.is_up()) else {
                continue;
            };
            first_up = first_up.or(Some(upstream));
            if tried.contains(&Some(upstream.replica.id)) {
                continue;
            }
            if has_room(index) {
                return Some(upstream);
            }
            first_untried = first_untried.or(Some(upstream));
        }
        first_untried.or(first_up)
    }

    /// The connections to a replica, if it is a member that is up.
    pub(super) fn upstream_of(&self, id: ReplicaId) -> Option<&Rc<Upstream<E>>> {
        self.upstreams.iter().find(|one| one.replica.id == id && one.replica.health.is_up())
    }

    /// Counts a request towards the retry budget.
    pub(super) fn earn_budget(&self) {
        self.budget.borrow_mut().earn();
    }

    pub(super) fn judge(&self, attempts: &mut Attempts, failed: &FailedAttempt) -> Verdict {
        attempts.judge(failed, &mut self.budget.borrow_mut())
    }
}
