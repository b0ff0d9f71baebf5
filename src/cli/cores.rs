//! The data-plane threads: which engine they run, and starting and joining them.

use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam::channel::Sender;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::sync::mpsc;

use super::Failure;
use super::limits::Connections;
use crate::base::address_counts::AddressCounts;
use crate::base::forwarding::ForwardingPolicy;
use crate::base::policy::{ClientLimits, share_of};
use crate::config::EngineChoice;
use crate::control::{CoreLink, Shared};
use crate::dataplane::{Balance, Capacity, CoreLoad, CoreSettings, DrainReport, Entrance, run_core};
use crate::engine::Listener;
use crate::engine::epoll::Epoll;
use crate::engine::io_uring::{self, IoUring};
use crate::placement::{Observation, Published};

/// The engine that all cores run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineKind {
    IoUring,
    Epoll,
}

/// What `engine = "auto"` takes where io_uring works too: the one that bench/ shows ahead (see bench/README.md).
const AUTO_WHERE_BOTH_WORK: EngineKind = EngineKind::IoUring;

impl EngineKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            EngineKind::IoUring => "io_uring",
            EngineKind::Epoll => "epoll",
        }
    }
}

/// The engine for a choice of the configuration. io_uring may be missing, switched off or refused on any machine, so it
/// is tried with real operations first.
pub(super) fn choose(choice: EngineChoice) -> Result<EngineKind, Failure> {
    match choice {
        EngineChoice::Epoll => Ok(EngineKind::Epoll),
        EngineChoice::IoUring => match io_uring::probe() {
            Ok(()) => Ok(EngineKind::IoUring),
            Err(reason) => Err(format!("engine = \"io_uring\" cannot run here: {reason}").into()),
        },
        EngineChoice::Auto => Ok(io_uring::probe().map_or_else(
            |reason| {
                tracing::info!("engine = \"auto\" falls back to epoll: {reason}");
                EngineKind::Epoll
            },
            |()| AUTO_WHERE_BOTH_WORK,
        )),
    }
}

/// One core for each CPU that this process may run on.
pub(super) fn available() -> NonZeroUsize {
    NonZeroUsize::new(cpus().len()).unwrap_or(NonZeroUsize::MIN)
}

fn cpus() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
}

/// How the cores are to be.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) engine: EngineKind,
    pub(super) cores: NonZeroUsize,
    pub(super) client: ClientLimits,
    pub(super) forwarding: ForwardingPolicy,
    pub(super) connections: Connections,
}

impl Plan {
    /// How many client connections a core may have.
    fn connections_max(&self, core: usize) -> usize {
        share_of(count(self.connections.max), core, self.cores).max(1)
    }

    /// What the listeners of each address share.
    fn balances(&self, cores: &[CoreLink], addresses: usize) -> Vec<Arc<Balance<OwnedFd>>> {
        let load = |(core, link): (usize, &CoreLink)| {
            CoreLoad::new(link.counters.clone(), self.connections_max(core))
        };
        let loads: Arc<[CoreLoad]> = cores.iter().enumerate().map(load).collect();
        (0..addresses).map(|_| Arc::new(Balance::new(loads.clone()))).collect()
    }

    /// Where the cores count together how many connections each client address has, if that is limited.
    fn addresses(&self) -> Option<Arc<AddressCounts>> {
        let in_all = count(self.connections.max);
        self.client
            .connections_per_address
            .map(|per_address| Arc::new(AddressCounts::new(per_address, in_all)))
    }
}

/// The running threads.
#[derive(Debug)]
pub(super) struct CoreThreads {
    threads: Vec<JoinHandle<DrainReport>>,
}

/// Reports a core's end, however it comes about.
struct Ended {
    core: usize,
    report: mpsc::UnboundedSender<usize>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // The receiver is gone only when the program ends.
        let _ = self.report.send(self.core);
    }
}

impl CoreThreads {
    /// Starts one thread for each core. The receiver gets the number of each core that ends.
    pub(super) fn start(
        plan: &Plan,
        listeners: Vec<Vec<TcpListener>>,
        shared: &Arc<Shared>,
        published: &Published,
        observe: &Sender<Observation>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<usize>), Failure> {
        let (report, ended) = mpsc::unbounded_channel();
        let cpus = cpus();
        let addresses = plan.addresses();
        let balances = plan.balances(&shared.cores, listeners.first().map_or(0, Vec::len));
        let mut threads = Vec::new();
        for (index, (listeners, link)) in listeners.into_iter().zip(&shared.cores).enumerate() {
            let settings = CoreSettings {
                index,
                cores: plan.cores,
                client: plan.client,
                forwarding: plan.forwarding.clone(),
                capacity: Capacity {
                    connections_max: plan.connections_max(index),
                    surplus_max: share_of(count(plan.connections.surplus), index, plan.cores),
                    addresses: addresses.clone(),
                },
                snapshots: published.subscribe(),
                mailbox: link.mailbox.clone(),
                observations: observe.clone(),
                counters: link.counters.clone(),
                seed: RandomState::new().hash_one(index),
            };
            let ended = Ended { core: index, report: report.clone() };
            // Fewer CPUs than cores: then the kernel shares them out better than we could.
            let cpu = cpus.get(index).copied().filter(|_| plan.cores.get() <= cpus.len());
            let engine = plan.engine;
            let sockets = listeners.into_iter().zip(balances.iter().cloned()).collect();
            let thread = thread::Builder::new().name(format!("core-{index}")).spawn(move || {
                let _ended = ended;
                pin(cpu);
                run_thread(engine, sockets, settings)
            })?;
            threads.push(thread);
        }
        Ok((CoreThreads { threads }, ended))
    }

    /// Waits for all cores.
    pub(super) fn join(self) -> Result<Vec<DrainReport>, Failure> {
        self.threads.into_iter().map(|thread| thread.join().map_err(|_| "a core panicked".into())).collect()
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn pin(cpu: Option<usize>) {
    let Some(cpu) = cpu else { return };
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = sched_setaffinity(None, &set) {
        tracing::warn!(cpu, %error, "cannot pin a core to its CPU");
    }
}

/// A listener of one core, and what those of its address share.
type Shareable = (TcpListener, Arc<Balance<OwnedFd>>);

fn run_thread(engine: EngineKind, sockets: Vec<Shareable>, settings: CoreSettings) -> DrainReport {
    let index = settings.index;
    match engine {
        EngineKind::Epoll => {
            let engine = or_end(Epoll::new(), index, "no epoll instance");
            let entrances = watch(sockets, index, |socket| engine.listener(socket));
            engine.run(run_core(engine.clone(), entrances, settings))
        }
        EngineKind::IoUring => {
            let engine = or_end(IoUring::new(), index, "no io_uring instance");
            let entrances = watch(sockets, index, |socket| engine.listener(socket));
            engine.run(run_core(engine.clone(), entrances, settings))
        }
    }
}

fn watch<L: Listener<Socket = OwnedFd>, Error: Display>(
    sockets: Vec<Shareable>,
    core: usize,
    listen: impl Fn(TcpListener) -> Result<L, Error>,
) -> Vec<Entrance<L>> {
    let entrance = |(socket, balance): Shareable| {
        Entrance::new(or_end(listen(socket), core, "cannot watch a listener"), balance, core)
    };
    sockets.into_iter().map(entrance).collect()
}

/// Ends this thread, which the control thread notices, where a core cannot begin.
fn or_end<T, Error: Display>(result: Result<T, Error>, core: usize, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("core {core}: {what}: {error}"))
}
