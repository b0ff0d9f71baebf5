//! Replicas that are containers of an engine that speaks Docker's interface.
//!
//! `plan` says what a container is; `life` is the task of one instance, from its start or adoption to the removal of its
//! container; `hub` is the watch over one engine. `engine` makes the calls, over connections of `transport`, and is the
//! only place beside `plan` that knows bollard. The rest is pure.
//!
//! # Why a crash of Ringway neither loses nor doubles a replica
//!
//! The intent of a start, and with it the nonce, is durable before the engine is asked for anything, and the container
//! carries owner and nonce as labels from the moment at which it exists. A later process lists the containers of its owner:
//! one whose nonce is that of an instance in the state file is adopted; every other one is a stray and is removed. So a
//! container that the engine made after the process that asked for it was killed is found by the next listing at the
//! latest. Whether a container is ours is decided by its id together with owner and nonce; nothing else is touched.
//!
//! # What an engine that fails can do
//!
//! Every call has a deadline, every answer a bound, and all of it runs in tasks beside the control thread's own work. While
//! an engine is known not to answer, starts are refused with that reason, so that they use up nothing; instances that run
//! are left to their heartbeats. A loss is followed by attempts for ever, and each success by a listing that is compared
//! with what is known: only differences are told, and no health is reset.

mod address;
mod endpoint;
mod engine;
mod event;
mod exit;
mod fault;
mod hub;
mod label;
mod life;
mod listing;
mod membership;
mod own_container;
mod owner;
mod plan;
mod reconnect;
mod surroundings;
mod tls;
mod transport;
mod version;

pub use endpoint::EngineEnvironment;
pub use plan::DockerPlan;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::{mpsc, watch};

use self::endpoint::Endpoint;
use self::engine::Engine;
use self::hub::Hub;
use self::life::{Life, Report};
use self::membership::Membership;
use self::own_container::signs_of_process;
use self::owner::Owner;
use self::surroundings::Surroundings;
use super::{Ending, Instance, InstanceId, IntendedPlace, Intent, ProviderEvent};
use crate::base::engine_address::EngineAddress;
use crate::base::supervision::OnExit;

/// How long Ringway's end waits until what has ended is also removed.
const CLOSE: Duration = Duration::from_secs(10);

/// What the docker providers of all services of one Ringway have in common.
#[derive(Debug)]
pub struct DockerHost {
    owner: Owner,
    environment: EngineEnvironment,
    events: mpsc::UnboundedSender<ProviderEvent>,
    engines: BTreeMap<EngineAddress, Watched>,
    stopping: watch::Sender<bool>,
    /// Tasks that report an end hold one of these until all of it is removed.
    under_way: mpsc::Sender<()>,
    all_over: mpsc::Receiver<()>,
}

/// One engine.
#[derive(Clone, Debug)]
struct Watched {
    hub: Hub,
    membership: Arc<Membership>,
}

/// How an engine is, for the operator's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineLook {
    /// Its address.
    pub address: String,
    /// What is spoken with it, once it was reached.
    pub version: Option<String>,
    /// How long ago all that is known of it was confirmed last.
    pub sync_age: Option<Duration>,
    /// Why it cannot be used now.
    pub fault: Option<String>,
}

impl DockerHost {
    /// Takes the state directory, which the caller has locked, the name that the configuration gives this Ringway, and
    /// where to report. Called on a tokio runtime.
    ///
    /// # Errors
    /// When the directory gives no name, in words for the operator.
    pub fn new(
        state_directory: &Path,
        name: Option<&str>,
        environment: EngineEnvironment,
        events: mpsc::UnboundedSender<ProviderEvent>,
    ) -> Result<Self, String> {
        let owner = match name {
            Some(name) => Owner::named(name),
            None => Owner::of_directory(state_directory)?,
        };
        let (under_way, all_over) = mpsc::channel(1);
        Ok(DockerHost {
            owner,
            environment,
            events,
            engines: BTreeMap::new(),
            stopping: watch::Sender::new(false),
            under_way,
            all_over,
        })
    }

    /// The provider of a service, at the engine that its plan and the environment mean.
    ///
    /// # Errors
    /// When there can be no such engine, in words for the operator.
    pub fn provider(&mut self, plan: DockerPlan) -> Result<DockerProvider, String> {
        let endpoint = Endpoint::choose(plan.config().engine.as_ref(), &self.environment)?;
        self.provider_at(&endpoint, plan)
    }

    /// The provider for what an intent began, wherever that was.
    ///
    /// # Errors
    /// When there can be no such engine, in words for the operator.
    pub fn provider_of(&mut self, engine: &str, plan: DockerPlan) -> Result<DockerProvider, String> {
        let address: EngineAddress = engine.parse().map_err(|error| format!("{error}"))?;
        let endpoint = Endpoint::choose(Some(&address), &self.environment)?;
        self.provider_at(&endpoint, plan)
    }

    fn provider_at(&mut self, endpoint: &Endpoint, plan: DockerPlan) -> Result<DockerProvider, String> {
        let Watched { hub, membership } = self.watched(endpoint)?;
        let on_exit = plan.config().supervision.on_exit;
        let surroundings = Surroundings::new(hub, plan, membership, self.stopping.subscribe());
        Ok(DockerProvider {
            surroundings: Arc::new(surroundings),
            on_exit,
            engine: endpoint.address.to_string().into(),
            events: self.events.clone(),
            under_way: self.under_way.downgrade(),
            instances: RefCell::default(),
        })
    }

    fn watched(&mut self, endpoint: &Endpoint) -> Result<Watched, String> {
        if let Some(watched) = self.engines.get(&endpoint.address) {
            return Ok(watched.clone());
        }
        let hub = Hub::start(Engine::new(endpoint, self.owner.clone())?, random()? as u64);
        let membership = Arc::new(Membership::new(hub.engine.clone(), signs_of_process()));
        let watched = Watched { hub, membership };
        self.engines.insert(endpoint.address.clone(), watched.clone());
        Ok(watched)
    }

    /// How the engines are.
    pub fn looks(&self) -> Vec<EngineLook> {
        let look = |(address, watched): (&EngineAddress, &Watched)| {
            let look = watched.hub.look();
            EngineLook {
                address: address.to_string(),
                version: look.version.map(|version| version.to_string()),
                sync_age: look.synced.map(|synced| synced.elapsed()),
                fault: look.fault.clone(),
            }
        };
        self.engines.iter().map(look).collect()
    }

    /// Ringway is about to stop: from now on nothing waits for an engine that does not answer.
    pub fn begin_stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until what has ended is removed, and takes the networks away that nothing is on any more.
    pub async fn close(self) {
        let DockerHost { engines, under_way, mut all_over, .. } = self;
        drop(under_way);
        let clear = async {
            // Nothing is ever sent: it ends with the last sender.
            let _ = all_over.recv().await;
            for Watched { hub, membership } in engines.values() {
                if hub.look().fault.is_none() {
                    remove_networks(&hub.engine, membership).await;
                }
            }
        };
        if tokio::time::timeout(CLOSE, clear).await.is_err() {
            tracing::warn!("not all that containers left behind was removed; the next start removes it");
        }
    }
}

/// Those that others than Ringway's own container are on stay: the engine refuses to remove them.
async fn remove_networks(engine: &Engine, membership: &Membership) {
    for (id, name) in engine.own_networks().await.unwrap_or_default() {
        if let Err(error) = membership.leave_if_last(&id).await {
            tracing::debug!(network = %name, ?error, "Ringway's own container stays on the network");
        }
        match engine.remove_network(&id).await {
            Ok(()) => tracing::info!(network = %name, "network removed"),
            Err(error) => tracing::debug!(network = %name, ?error, "network stays"),
        }
    }
}

/// Starts, finds, watches and ends the replicas of one service on one engine. Dropping it ends none of them.
///
/// It belongs to the control thread: no call takes time, and what does is reported as a [`ProviderEvent`]. Every instance
/// that is started or adopted ends with exactly one [`ProviderEvent::Ended`].
pub struct DockerProvider {
    surroundings: Arc<Surroundings>,
    on_exit: OnExit,
    engine: Box<str>,
    events: mpsc::UnboundedSender<ProviderEvent>,
    under_way: mpsc::WeakSender<()>,
    instances: RefCell<HashMap<InstanceId, mpsc::UnboundedSender<Ending>>>,
}

impl std::fmt::Debug for DockerProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DockerProvider").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").field("engine", &self.engine.address()).finish_non_exhaustive()
    }
}

impl DockerProvider {
    /// The address of its engine.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// What becomes of the replicas when Ringway stops.
    pub fn on_exit(&self) -> OnExit {
        self.on_exit
    }

    /// Makes what has to be durable before a start: a nonce, and where it will be.
    ///
    /// # Errors
    /// While the engine is known not to answer, in words for the operator.
    pub fn prepare(&self) -> Result<Intent, String> {
        if let Some(fault) = &self.surroundings.hub.look().fault {
            return Err(fault.clone());
        }
        let nonce = format!("{:032x}", random()?).into();
        Ok(Intent { nonce, place: IntendedPlace::Container { engine: self.engine.clone() } })
    }

    /// Starts an instance whose intent is durable, and reports `Started` or `Ended`.
    pub fn start(&self, instance: Instance) {
        // Before the task runs: no listing may take its container for a stray.
        self.surroundings.hub.begin(&instance.intent.nonce);
        tokio::spawn(self.life(instance).start());
    }

    /// Looks for an instance of an earlier process, and reports `Adopted` or `Ended`.
    pub fn adopt(&self, instance: Instance) {
        self.surroundings.hub.begin(&instance.intent.nonce);
        tokio::spawn(self.life(instance).adopt());
    }

    /// Asks or forces an instance to end. One that has ended already is left alone.
    pub fn end(&self, id: InstanceId, ending: Ending) {
        if let Some(endings) = self.instances.borrow().get(&id) {
            // Refused only if the task is over, and so the instance.
            let _ = endings.send(ending);
        }
    }

    fn life(&self, instance: Instance) -> Life {
        let (sender, endings) = mpsc::unbounded_channel();
        let mut instances = self.instances.borrow_mut();
        instances.retain(|_, endings| !endings.is_closed());
        instances.insert(instance.id, sender);
        Life {
            report: Report { id: instance.id, events: self.events.clone(), ended: false },
            instance,
            surroundings: self.surroundings.clone(),
            endings,
            under_way: self.under_way.clone(),
        }
    }
}

/// A random number.
fn random() -> Result<u128, String> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|error| format!("the system gives no random numbers: {error}"))?;
    Ok(u128::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instance 7: a `Server-1` of the service `web`.
    pub(super) fn seventh() -> Instance {
        Instance {
            id: InstanceId(7),
            service: "web".into(),
            name: "Server-1".parse().unwrap(),
            intent: Intent {
                nonce: "00ff".into(),
                place: IntendedPlace::Container { engine: "unix:///x".into() },
            },
        }
    }
}
