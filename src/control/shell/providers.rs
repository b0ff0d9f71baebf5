//! The providers of all services behind one face.

use std::collections::HashMap;

use crate::base::supervision::OnExit;
use crate::config::{Config, DockerConfig, ProcessConfig, Reach, ReplicasConfig};
use crate::provider::docker::{DockerHost, DockerPlan, DockerProvider, EngineLook};
use crate::provider::process::{ProcessHost, ProcessPlan, ProcessProvider};
use crate::provider::{Ending, Instance, InstanceId, IntendedPlace, Intent, Record};

/// What starts, finds and ends the replicas of each service that has replicas of Ringway's own.
///
/// Who starts a service's replicas is what the configuration says; who finds and ends an instance is what its intent says,
/// which may be of an older configuration.
#[derive(Debug, Default)]
pub struct Providers {
    /// `None` if no service ever had replicas of Ringway's own.
    processes: Option<ProcessHost>,
    /// `None` if no service ever had containers.
    containers: Option<DockerHost>,
    process: HashMap<Box<str>, ProcessProvider, ahash::RandomState>,
    docker: HashMap<Box<str>, DockerProvider, ahash::RandomState>,
    /// For containers that an older configuration began, by service and engine.
    old_docker: HashMap<(Box<str>, Box<str>), DockerProvider, ahash::RandomState>,
    /// The instances that run or may, as far as known.
    instances: HashMap<InstanceId, Whose, ahash::RandomState>,
}

/// By whom an instance is reached.
#[derive(Clone, Debug)]
struct Whose {
    service: Box<str>,
    place: IntendedPlace,
    /// Whether it goes with Ringway.
    goes: bool,
}

/// One service's provider of an instance's kind.
enum Provider<'a> {
    Process(&'a ProcessProvider),
    Docker(&'a DockerProvider),
}

impl Providers {
    /// The providers of a configuration.
    ///
    /// # Errors
    /// When containers are asked for at an engine that cannot be, in words for the operator.
    pub fn new(
        processes: ProcessHost,
        mut containers: Option<DockerHost>,
        config: &Config,
    ) -> Result<Self, String> {
        let mut providers = Providers::default();
        for service in &config.services {
            let name = &service.name;
            match (&service.replicas, &mut containers) {
                (ReplicasConfig::Process(process), _) => {
                    let plan = ProcessPlan::new(name, process.clone());
                    providers.process.insert(name.clone(), ProcessProvider::new(processes.clone(), plan));
                }
                (ReplicasConfig::Docker(docker), Some(containers)) => {
                    let provider = containers.provider(DockerPlan::new(name, docker.clone()));
                    let provider = provider.map_err(|error| format!("service '{name}': {error}"))?;
                    providers.docker.insert(name.clone(), provider);
                }
                (ReplicasConfig::Docker(_), None) | (ReplicasConfig::Static(_), _) => {}
            }
        }
        Ok(Providers { processes: Some(processes), containers, ..providers })
    }

    pub(super) fn prepare(&self, service: &str) -> Result<Intent, String> {
        if let Some(provider) = self.docker.get(service) {
            return provider.prepare();
        }
        match self.process.get(service) {
            Some(provider) => provider.prepare(),
            None => Err(format!("nothing starts replicas of service '{service}'")),
        }
    }

    pub(super) fn discard(&self, service: &str, intent: &Intent) {
        // Of a container nothing is reserved.
        if let (IntendedPlace::Process { .. }, Some(provider)) = (&intent.place, self.process.get(service)) {
            provider.discard(intent);
        }
    }

    /// # Errors
    /// When nobody can start it, in words for the operator.
    pub(super) fn start(&mut self, instance: Instance) -> Result<(), String> {
        match self.provider(&instance)? {
            Provider::Process(provider) => provider.start(instance),
            Provider::Docker(provider) => provider.start(instance),
        }
        Ok(())
    }

    /// # Errors
    /// When nobody can look for it, in words for the operator.
    pub(super) fn adopt(&mut self, instance: Instance, record: Option<Record>) -> Result<(), String> {
        match self.provider(&instance)? {
            Provider::Process(provider) => provider.adopt(instance, record),
            Provider::Docker(provider) => provider.adopt(instance),
        }
        Ok(())
    }

    pub(super) fn end(&self, id: InstanceId, ending: Ending) {
        let Some(Whose { service, place, .. }) = self.instances.get(&id) else { return };
        match place {
            IntendedPlace::Process { .. } => {
                if let Some(provider) = self.process.get(service) {
                    provider.end(id, ending);
                }
            }
            IntendedPlace::Container { engine } => {
                if let Some(provider) = self.docker_at(service, engine) {
                    provider.end(id, ending);
                }
            }
        }
    }

    pub(super) fn ended(&mut self, id: InstanceId) {
        self.instances.remove(&id);
    }

    /// Kills what goes with Ringway.
    pub(super) fn kill_all(&self) {
        for (&id, _) in self.instances.iter().filter(|(_, whose)| whose.goes) {
            self.end(id, Ending::Kill);
        }
    }

    /// Whether something runs that goes with Ringway.
    pub(super) fn any_going(&self) -> bool {
        self.instances.values().any(|whose| whose.goes)
    }

    /// How the engines of containers are.
    pub(super) fn engines(&self) -> Vec<EngineLook> {
        self.containers.as_ref().map(DockerHost::looks).unwrap_or_default()
    }

    /// Ringway is about to stop.
    pub(super) fn begin_stop(&self) {
        if let Some(containers) = &self.containers {
            containers.begin_stop();
        }
    }

    /// Clears away what instances that have ended left behind.
    pub(super) async fn close(&mut self) {
        if let Some(containers) = self.containers.take() {
            containers.close().await;
        }
    }

    fn docker_at(&self, service: &str, engine: &str) -> Option<&DockerProvider> {
        let configured = self.docker.get(service).filter(|provider| provider.engine() == engine);
        configured.or_else(|| self.old_docker.get(&(service.into(), engine.into())))
    }

    /// The provider of an instance; one of a service that has left the configuration gets a provider that can end it.
    fn provider(&mut self, instance: &Instance) -> Result<Provider<'_>, String> {
        let service = instance.service.clone();
        let place = instance.intent.place.clone();
        let goes = match &place {
            IntendedPlace::Process { .. } => self.process_provider(&service)?.plan().on_exit(),
            IntendedPlace::Container { engine } => {
                self.open_docker(&service, engine)?;
                self.docker_at(&service, engine).map_or(OnExit::Stop, DockerProvider::on_exit)
            }
        } == OnExit::Stop;
        self.instances.insert(instance.id, Whose { service: service.clone(), place: place.clone(), goes });
        match &place {
            IntendedPlace::Process { .. } => self.process_provider(&service).map(Provider::Process),
            IntendedPlace::Container { engine } => self
                .docker_at(&service, engine)
                .map(Provider::Docker)
                .ok_or_else(|| format!("there is no provider of containers at {engine}")),
        }
    }

    fn process_provider(&mut self, service: &str) -> Result<&ProcessProvider, String> {
        let host = self.processes.as_ref().ok_or("there is no provider of processes")?;
        Ok(self.process.entry(service.into()).or_insert_with(|| {
            ProcessProvider::new(host.clone(), ProcessPlan::new(service, ProcessConfig::default()))
        }))
    }

    /// Sees to it that there is a provider for an engine that the configuration need not name.
    fn open_docker(&mut self, service: &str, engine: &str) -> Result<(), String> {
        if self.docker_at(service, engine).is_some() {
            return Ok(());
        }
        let host = self.containers.as_mut().ok_or("there is no provider of containers")?;
        // No network is joined for what is only to be ended.
        let left_over = DockerConfig { reach: Some(Reach::Address), ..DockerConfig::default() };
        let provider = host.provider_of(engine, DockerPlan::new(service, left_over))?;
        self.old_docker.insert((service.into(), engine.into()), provider);
        Ok(())
    }
}
