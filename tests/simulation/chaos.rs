//! What happens to backends and to the set of replicas during a run, and who brings replicas back.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringway::engine::Engine;
use ringway::engine::simulated::{Random, Simulated};
use ringway::placement::{ReplicaSpec, ServiceSpec};

use crate::backend::Backends;
use crate::stage::{Stage, backend_address, replica};
use crate::wire::sleep;

/// Backends beyond those of the first snapshot, for replicas that come and move.
const SPARE: usize = 2;
/// How often the control thread's part looks at replicas that are down.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// Everything that changes while requests are served.
pub(crate) struct Chaos {
    pub(crate) engine: Simulated,
    pub(crate) stage: Rc<Stage>,
    pub(crate) backends: Rc<Backends>,
    pub(crate) first: ServiceSpec,
    /// Set when the clients are done.
    pub(crate) over: Rc<Cell<bool>>,
}

impl Chaos {
    /// Sets replicas up again whose backend lives, as the control thread's probes do.
    pub(crate) async fn probe(self: Rc<Self>) {
        while !self.over.get() {
            sleep(&self.engine, PROBE_INTERVAL).await;
            let snapshot = self.stage.snapshot();
            for replica in snapshot.services.iter().flat_map(|service| &service.replicas) {
                if !replica.health.is_up()
                    && replica.address.is_some_and(|address| self.backends.is_alive(address))
                {
                    replica.health.set();
                }
            }
            while self.stage.observations.try_recv().is_ok() {}
        }
    }

    /// Does one thing after the other until the clients are done.
    pub(crate) async fn rage(self: Rc<Self>, seed: u64) {
        let mut random = Random::new(seed);
        let count = self.first.replicas.len() + SPARE;
        (0..count).for_each(|number| self.backends.start(backend_address(number)));
        while !self.over.get() {
            sleep(&self.engine, Duration::from_micros(random.up_to(40_000))).await;
            let address = backend_address(random.below(count as u64) as usize);
            match random.below(6) {
                0 => self.engine.handle().spawn(self.clone().kill(address, random.up_to(200))),
                1..=3 => {
                    let kind = random.below(4);
                    self.engine.handle().spawn(self.clone().trouble(address, kind, random.up_to(300)));
                }
                _ => self.change_replicas(&mut random),
            }
        }
    }

    async fn kill(self: Rc<Self>, address: SocketAddr, millis: u64) {
        self.backends.kill(address);
        sleep(&self.engine, Duration::from_millis(millis)).await;
        if !self.over.get() {
            self.backends.start(address);
        }
    }

    async fn trouble(self: Rc<Self>, address: SocketAddr, kind: u64, millis: u64) {
        let network = &self.stage.network;
        match kind {
            0 => network.pause(address),
            1 => network.partition(address),
            2 => network.refuse(address),
            _ => network.silence(address),
        }
        sleep(&self.engine, Duration::from_millis(millis)).await;
        network.resume(address);
        network.heal(address);
        network.admit(address);
    }

    fn change_replicas(&self, random: &mut Random) {
        let count = self.first.replicas.len() + SPARE;
        let number = |random: &mut Random| random.below(count as u64) as usize;
        let mut replicas: Vec<ReplicaSpec> = (0..count)
            .filter(|_| random.chance(0.7))
            .map(|number| replica(&format!("r{number}"), backend_address(number)))
            .collect();
        if random.chance(0.3) && !replicas.is_empty() {
            let moved = random.below(replicas.len() as u64) as usize;
            replicas[moved].address = Some(backend_address(number(random)));
        }
        let mut spec = ServiceSpec { replicas, ..self.first.clone() };
        if random.chance(0.3) {
            spec.pool.idle_max = random.below(4) as usize;
        }
        let specs = if random.chance(0.05) { Vec::new() } else { vec![spec] };
        self.stage.publish(specs);
        if random.chance(0.5) {
            self.stage.refresh();
        }
    }
}
