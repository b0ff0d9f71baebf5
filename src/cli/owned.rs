//! What a configuration with replicas of Ringway's own needs before it serves: the state directory and the providers.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::Failure;
use crate::config::{Config, ReplicasConfig};
use crate::control::durable::DurableState;
use crate::control::{Providers, StateWriter, Storage, Writer};
use crate::provider::ProviderEvent;
use crate::provider::process::ProcessHost;

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
        let owns = |replicas: &ReplicasConfig| matches!(replicas, ReplicasConfig::Process(_));
        let owns = config.services.iter().any(|service| owns(&service.replicas));
        let state = directory.join("state.json");
        let used =
            || state.try_exists().map_err(|error| format!("cannot look at {}: {error}", state.display()));
        if !owns && !used()? {
            let (durable, providers) = (DurableState::default(), Providers::default());
            return Ok(Owned { durable, storage: None, providers, reports });
        }
        let _within = runtime.enter();
        let (storage, durable) = Storage::open(directory)?;
        let host = ProcessHost::new(directory, None, sender)?;
        tracing::info!(directory = %directory.display(), "state directory");
        Ok(Owned {
            durable,
            storage: Some(Writer::start(Arc::new(storage))),
            providers: Providers::new(host, config),
            reports,
        })
    }
}
