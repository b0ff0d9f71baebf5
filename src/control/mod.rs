//! The control thread's state and decisions: what the cores are given, what they report, when they stop.

pub mod call;
pub mod desired;
pub mod durable;
pub mod machine;
mod shell;
mod specs;
pub mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use self::view::View;
use crate::base::core_counters::CoreCounters;
use crate::base::mailbox::{CoreMessage, Mailbox};
use crate::placement::SnapshotReader;
use crate::provider::docker::EngineLook;

pub use shell::storage::{Storage, Writer};
pub use shell::{CALLS_MAX, Calls, PendingCall, Unheard, calls};
pub use shell::{Carrier, Control, Parts, Providers, StateWriter, Stopped, run, storage, with_members};
pub use specs::{CONTROL_SERVICE, control_spec, first_specs, service_plans, service_specs};

/// What control and one core share.
#[derive(Clone, Debug, Default)]
pub struct CoreLink {
    /// What the core counts.
    pub counters: Arc<CoreCounters>,
    /// What the core is told.
    pub mailbox: Arc<Mailbox>,
}

/// What the whole program runs as.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The engine's name.
    pub engine: &'static str,
    /// The effective limit of descriptors.
    pub descriptors_max: u64,
    /// Client connections at most, of all cores together.
    pub connections_max: u64,
    /// Where clients are listened to.
    pub listen: Box<[SocketAddr]>,
}

/// What the admin interface reads. Written by the control thread (`draining`, the view, the engines), and by each core (its counters).
#[derive(Debug)]
pub struct Shared {
    /// How the program runs.
    pub info: RunInfo,
    /// One link per core, by number.
    pub cores: Box<[CoreLink]>,
    /// The published snapshots.
    pub snapshots: SnapshotReader,
    draining: AtomicBool,
    view: ArcSwap<View>,
    engines: ArcSwap<Vec<EngineLook>>,
}

impl Shared {
    /// The state of a program that serves.
    pub fn new(info: RunInfo, cores: Box<[CoreLink]>, snapshots: SnapshotReader) -> Self {
        let (view, engines) = (ArcSwap::default(), ArcSwap::default());
        Shared { info, cores, snapshots, draining: AtomicBool::new(false), view, engines }
    }

    /// The replicas as the control thread knew them last.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Replaces the view; only the control thread calls it.
    pub fn publish_view(&self, view: View) {
        self.view.store(Arc::new(view));
    }

    /// The engines of containers as the control thread found them at its last look.
    pub fn engines(&self) -> Arc<Vec<EngineLook>> {
        self.engines.load_full()
    }

    /// Replaces the engines; only the control thread calls it.
    pub fn publish_engines(&self, engines: Vec<EngineLook>) {
        self.engines.store(Arc::new(engines));
    }

    /// Whether new requests should go elsewhere: the program is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn tell_all(&self, message: &CoreMessage) {
        for core in &self.cores {
            core.mailbox.send(message.clone());
        }
    }
}
