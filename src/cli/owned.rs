//! What a configuration with replicas of Ringway's own needs before it serves: the state directory and the providers.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::Failure;
use crate::config::{Config, ReplicasConfig};
use crate::control::durable::DurableState;
use crate::control::{Providers, StateWriter, Storage, Writer};
use crate::provider::docker::{DockerHost, EngineEnvironment};
use crate::provider::process::ProcessHost;
use crate::provider::{IntendedPlace, ProviderEvent};

/// The state directory and the providers.
pub(super) struct Owned {
    /// What an earlier process left.
    pub(super) durable: DurableState,
    /// Where the state is made durable.
    pub(super) storage: Option<StateWriter>,
    pub(super) providers: Providers,
    /// What the providers report.
    pub(super) reports: mpsc::UnboundedReceiver<ProviderEvent>,
}

impl Owned {
    /// Opens the state directory if a service has replicas of Ringway's own, or had some when it was used last: those may
    /// run still.
    pub(super) fn open(config: &Config, runtime: &Runtime) -> Result<Self, Failure> {
        let (sender, reports) = mpsc::unbounded_channel();
        let directory = &config.state.directory;
        let owns = config.services.iter().any(|service| service.replicas.is_owned());
        let state = directory.join("state.json");
        let used =
            || state.try_exists().map_err(|error| format!("cannot look at {}: {error}", state.display()));
        if !owns && !used()? {
            let (durable, providers) = (DurableState::default(), Providers::default());
            return Ok(Owned { durable, storage: None, providers, reports });
        }
        let _within = runtime.enter();
        let (storage, durable) = Storage::open(directory)?;
        let containers = if has_containers(config, &durable) {
            let (name, environment) = (config.state.name.as_deref(), EngineEnvironment::of_process());
            Some(DockerHost::new(directory, name, environment, sender.clone())?)
        } else {
            None
        };
        let processes = ProcessHost::new(directory, None, sender)?;
        tracing::info!(directory = %directory.display(), "state directory");
        Ok(Owned {
            durable,
            storage: Some(Writer::start(Arc::new(storage))),
            providers: Providers::new(processes, containers, config)?,
            reports,
        })
    }
}

/// Whether a service has containers, or had some that may run still.
fn has_containers(config: &Config, durable: &DurableState) -> bool {
    let is_docker = |replicas: &ReplicasConfig| matches!(replicas, ReplicasConfig::Docker(_));
    let mut instances = durable.services.values().flat_map(|service| &service.instances);
    config.services.iter().any(|service| is_docker(&service.replicas))
        || instances.any(|instance| matches!(instance.intent.place, IntendedPlace::Container { .. }))
}
