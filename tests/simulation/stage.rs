//! One core of the data plane on the simulated engine, with what the control thread would hold of it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Receiver;
use ringway::base::address_counts::AddressCounts;
use ringway::base::core_counters::{CoreCounters, Phase};
use ringway::base::counter::Counter;
use ringway::base::forwarding::ForwardingPolicy;
use ringway::base::mailbox::{CoreMessage, Mailbox};
use ringway::base::policy::ClientLimits;
use ringway::base::replica_counts::Counts;
use ringway::dataplane::{Capacity, CoreSettings, DrainReport, Entrance, run_core};
use ringway::engine::Engine;
use ringway::engine::simulated::{Network, Simulated};
use ringway::placement::{Observation, Published, Replica, ReplicaSpec, ServiceSpec, Snapshot};

use super::wire::sleep;

/// Observations that may wait for whoever plays the control thread.
const OBSERVATIONS_MAX: usize = 1024;

/// Client connections of the core, unless its limits name another number.
const CONNECTIONS_MAX: usize = 1_000;
/// Connections beyond its limit that the core takes to refuse them.
pub(crate) const SURPLUS_MAX: usize = 2;

/// Cores that replicas are counted by: the one that runs, and one that a test plays.
const COUNTED_CORES: usize = 2;

/// Where the proxy listens.
pub(crate) fn front() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 80))
}

/// Where backend `number` listens.
pub(crate) fn backend_address(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, number as u8], 80))
}

/// A replica that is reached at `address`.
pub(crate) fn replica(name: &str, address: SocketAddr) -> ReplicaSpec {
    ReplicaSpec { name: name.into(), ordinal: 1, incarnation: 0, address: Some(address), weight: 1 }
}

/// A service of `count` replicas, one on each of the first backends.
pub(crate) fn service(count: usize) -> ServiceSpec {
    let replicas = (0..count).map(|number| replica(&format!("r{number}"), backend_address(number)));
    ServiceSpec { replicas: replicas.collect(), ..ServiceSpec::named("web") }
}

/// What the core counts of every replica that there was.
#[derive(Clone, Default)]
pub(crate) struct Counted(Rc<RefCell<Vec<Arc<Replica>>>>);

impl Counted {
    fn note(&self, snapshot: &Snapshot) {
        let mut known = self.0.borrow_mut();
        for replica in snapshot.services.iter().flat_map(|service| &service.replicas) {
            if !known.iter().any(|other| other.id == replica.id) {
                known.push(replica.clone());
            }
        }
    }

    /// One count of all replicas together.
    pub(crate) fn sum(&self, count: impl Fn(&Counts) -> &Counter) -> u64 {
        self.0.borrow().iter().map(|replica| count(replica.counts.of_core(0)).value()).sum()
    }
}

/// A core that serves.
pub(crate) struct Stage {
    pub(crate) engine: Simulated,
    pub(crate) network: Network,
    pub(crate) counters: Arc<CoreCounters>,
    pub(crate) observations: Receiver<Observation>,
    pub(crate) counted: Counted,
    mailbox: Arc<Mailbox>,
    published: RefCell<Published>,
    report: Rc<Cell<Option<DrainReport>>>,
}

impl Stage {
    /// Starts a core that listens at [`front`].
    pub(crate) fn raise(engine: &Simulated, spec: ServiceSpec, client: ClientLimits) -> Stage {
        let empty = Snapshot::empty(COUNTED_CORES);
        let published = Published::new(Snapshot::build(vec![spec], Some(&empty)).expect("its members fit"));
        let counted = Counted::default();
        counted.note(&published.current());
        let (sender, observations) = crossbeam::channel::bounded(OBSERVATIONS_MAX);
        let counters: Arc<CoreCounters> = Arc::default();
        let mailbox: Arc<Mailbox> = Arc::default();
        let connections_max = client.connections_max.map_or(CONNECTIONS_MAX, NonZeroUsize::get);
        let per_address = client.connections_per_address;
        let addresses = per_address.map(|max| Arc::new(AddressCounts::new(max, connections_max)));
        let settings = CoreSettings {
            index: 0,
            cores: NonZeroUsize::MIN,
            client,
            forwarding: ForwardingPolicy::default(),
            capacity: Capacity { connections_max, surplus_max: SURPLUS_MAX, addresses },
            snapshots: published.subscribe(),
            mailbox: mailbox.clone(),
            observations: sender,
            counters: counters.clone(),
            seed: 7,
        };
        let listener = engine.listen(front()).expect("the address is free");
        let report = Rc::new(Cell::new(None));
        let (core, told) =
            (run_core(engine.clone(), vec![Entrance::alone(listener)], settings), report.clone());
        engine.handle().spawn(async move { told.set(Some(core.await)) });
        Stage {
            engine: engine.clone(),
            network: engine.network(),
            counters,
            observations,
            counted,
            mailbox,
            published: RefCell::new(published),
            report,
        }
    }

    /// The newest snapshot.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.published.borrow().current()
    }

    /// Publishes another form of the service.
    pub(crate) fn publish(&self, specs: Vec<ServiceSpec>) {
        let mut published = self.published.borrow_mut();
        let next = Snapshot::build(specs, Some(&published.current())).expect("its members fit");
        self.counted.note(&published.publish(next));
    }

    pub(crate) fn refresh(&self) {
        self.mailbox.send(CoreMessage::Refresh);
    }

    pub(crate) fn begin_drain(&self, lame_duck: Duration, timeout: Duration) {
        self.mailbox.send(CoreMessage::Drain { lame_duck, timeout });
    }

    pub(crate) fn report(&self) -> Option<DrainReport> {
        self.report.get()
    }

    /// Waits for what the core says at its end.
    pub(crate) async fn ended(&self) -> DrainReport {
        loop {
            if let Some(report) = self.report() {
                return report;
            }
            self.sleep_ms(1).await;
        }
    }

    pub(crate) async fn sleep_ms(&self, millis: u64) {
        sleep(&self.engine, Duration::from_millis(millis)).await;
    }

    /// Deadlines that passed in `phase`.
    pub(crate) fn timeouts(&self, phase: Phase) -> u64 {
        self.counters.timeouts[phase as usize].value()
    }
}
