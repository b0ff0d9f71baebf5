//! The providers of all services behind one face.

use std::collections::HashMap;

use crate::base::supervision::{OnExit, Supervision};
use crate::config::{Config, ProcessConfig, ReplicasConfig};
use crate::provider::process::{ProcessHost, ProcessPlan, ProcessProvider};
use crate::provider::{Ending, Instance, InstanceId, Intent, Record};

/// What starts, finds and ends the replicas of each service that has replicas of Ringway's own.
#[derive(Debug, Default)]
pub struct Providers {
    /// `None` if no service ever had replicas of Ringway's own.
    host: Option<ProcessHost>,
    process: HashMap<Box<str>, ProcessProvider, ahash::RandomState>,
    /// What runs, as far as known, and goes with Ringway.
    going: HashMap<InstanceId, Box<str>, ahash::RandomState>,
}

impl Providers {
    /// The providers of a configuration.
    pub fn new(host: ProcessHost, config: &Config) -> Self {
        let process = config.services.iter().filter_map(|service| match &service.replicas {
            ReplicasConfig::Process(process) => {
                let plan = ProcessPlan::new(&service.name, process.clone());
                Some((service.name.clone(), ProcessProvider::new(host.clone(), plan)))
            }
            ReplicasConfig::Static(_) => None,
        });
        Providers { process: process.collect(), host: Some(host), going: HashMap::default() }
    }

    pub(super) fn prepare(&self, service: &str) -> Result<Intent, String> {
        match self.process.get(service) {
            Some(provider) => provider.prepare(),
            None => Err(format!("nothing starts replicas of service '{service}'")),
        }
    }

    pub(super) fn discard(&self, service: &str, intent: &Intent) {
        if let Some(provider) = self.process.get(service) {
            provider.discard(intent);
        }
    }

    pub(super) fn start(&mut self, instance: Instance) {
        if let Some(provider) = self.provider(&instance) {
            provider.start(instance);
        }
    }

    pub(super) fn adopt(&mut self, instance: Instance, record: Option<Record>) {
        if let Some(provider) = self.provider(&instance) {
            provider.adopt(instance, record);
        }
    }

    pub(super) fn end(&self, id: InstanceId, service: &str, ending: Ending) {
        if let Some(provider) = self.process.get(service) {
            provider.end(id, ending);
        }
    }

    pub(super) fn ended(&mut self, id: InstanceId) {
        self.going.remove(&id);
    }

    /// Kills what goes with Ringway.
    pub(super) fn kill_all(&self) {
        for (&id, service) in &self.going {
            self.end(id, service, Ending::Kill);
        }
    }

    /// Whether something runs that goes with Ringway.
    pub(super) fn any_going(&self) -> bool {
        !self.going.is_empty()
    }

    /// The provider of an instance; one of a service that has left the configuration gets a provider that can end it.
    fn provider(&mut self, instance: &Instance) -> Option<&ProcessProvider> {
        let host = self.host.as_ref()?;
        let provider = self.process.entry(instance.service.clone()).or_insert_with(|| {
            ProcessProvider::new(host.clone(), ProcessPlan::new(&instance.service, left_over()))
        });
        if provider.plan().on_exit() == OnExit::Stop {
            self.going.insert(instance.id, instance.service.clone());
        }
        Some(provider)
    }
}

/// What is left of the configuration of a service that is not in it any more.
fn left_over() -> ProcessConfig {
    ProcessConfig {
        count: 0,
        command: Box::default(),
        environment: Box::default(),
        directory: None,
        user: None,
        ports: None,
        supervision: Supervision::default(),
    }
}
