//! A configuration with containers, the engine that it names, and the program.

use std::path::PathBuf;

use crate::fake::{Fake, Fault, World};
use crate::harness::clock::poll;
use crate::stage::{Ringway, Stage};

pub(crate) use crate::containers::{Service, THREE, await_failure};

/// Heartbeats so rare that none of them tells anything within a test.
pub(crate) const RARE: &str = "heartbeat = { interval_ms = 600000, timeout_ms = 1000, failures = 3 }";
/// Heartbeats that decide quickly.
pub(crate) const QUICK: &str = "heartbeat = { interval_ms = 100, timeout_ms = 100, failures = 3 }";

/// An engine and a folder; the program is started on them, more than once if need be.
pub(crate) struct Scene {
    pub(crate) fake: Fake,
    pub(crate) stage: Stage,
}

impl Scene {
    /// A service `web` with three containers at an engine that answers.
    pub(crate) fn new(service: &Service<'_>) -> Scene {
        Scene::with_engine(Fake::up, service)
    }

    /// The same at an engine that is down.
    pub(crate) fn down(service: &Service<'_>) -> Scene {
        Scene::with_engine(Fake::down, service)
    }

    fn with_engine(engine: impl Fn(&std::path::Path) -> Fake, service: &Service<'_>) -> Scene {
        let stage = Stage::with("");
        let folder: PathBuf = stage.path("ringway.toml").parent().unwrap().to_owned();
        let scene = Scene { fake: engine(&folder), stage };
        scene.configure("edge", service);
        scene
    }

    /// Writes another configuration for the next start.
    pub(crate) fn configure(&self, name: &str, service: &Service<'_>) {
        self.stage.configure(&self.text(name, service));
    }

    /// The configuration of a Ringway that is called `name`.
    pub(crate) fn text(&self, name: &str, service: &Service<'_>) -> String {
        service.at(&self.fake.address(), name, "worker")
    }

    /// Starts the program and waits until these are active.
    pub(crate) fn start(&self, names: &[&str]) -> Ringway {
        let ringway = self.stage.start();
        ringway.await_active(names);
        ringway
    }

    /// Waits until exactly these replicas have a container that runs, one each.
    pub(crate) fn await_running(&self, names: &[&str]) {
        let expected: Vec<String> = names.iter().map(ToString::to_string).collect();
        poll(&format!("containers of {names:?}"), || {
            (self.fake.with(|world| world.replicas()) == expected).then_some(())
        });
    }

    /// Waits until nothing is left on the engine but what was there before.
    pub(crate) fn await_empty(&self) {
        poll("an engine without traces", || {
            self.fake.with(|world| world.containers.is_empty() && world.networks.len() == 1).then_some(())
        });
    }

    /// From now on calls whose line begins so meet the fault, as often as `times` says.
    pub(crate) fn fail(&self, line: &'static str, times: u32, fault: Fault) {
        self.fake.with(move |world| world.faults.push((line, times, fault)));
    }

    /// All faults end.
    pub(crate) fn heal(&self) {
        self.fake.with(|world| world.faults.clear());
    }

    /// Waits until the world is as it should be.
    pub(crate) fn await_world(
        &self,
        what: &str,
        is_so: impl Fn(&mut World) -> bool + Clone + Send + 'static,
    ) {
        poll(what, || self.fake.with(is_so.clone()).then_some(()));
    }
}
