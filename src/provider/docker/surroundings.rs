//! What the instances of one service on one engine have in common: their network and their image.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::address::{self, only_network};
use super::engine::Inspected;
use super::fault::{About, CallError, Step, explain};
use super::hub::Hub;
use super::label;
use super::membership::Membership;
use super::plan::DockerPlan;
use crate::config::Reach;

/// How long a name may take to be resolved.
const RESOLVE: Duration = Duration::from_secs(5);

/// Why something that a container needs is not there.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// For the operator.
    pub(super) words: String,
    /// Whether the engine is in trouble, so that nothing may be concluded about what it was asked.
    pub(super) is_engines: bool,
}

impl Trouble {
    fn of_setting(words: String) -> Self {
        Trouble { words, is_engines: false }
    }
}

/// The network of a service's containers.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) id: Box<str>,
    way: Way,
}

/// How the containers of a network are reached.
#[derive(Clone, Debug)]
enum Way {
    Address,
    Name,
    /// By name, as the configuration says, though Ringway is not known to be on the network, for this reason.
    DoubtfulName(String),
}

/// See the module.
pub(super) struct Surroundings {
    pub(super) hub: Hub,
    pub(super) plan: DockerPlan,
    membership: Arc<Membership>,
    /// Whether Ringway is about to stop.
    pub(super) stopping: watch::Receiver<bool>,
    /// The network, once it was found or made. Held while it is looked for, so that it is made once.
    network: Mutex<Option<Network>>,
    /// When the image was fetched last. Held while it is fetched, so that starts at once fetch it once.
    pulled: Mutex<Option<Instant>>,
}

impl Surroundings {
    pub(super) fn new(
        hub: Hub,
        plan: DockerPlan,
        membership: Arc<Membership>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (network, pulled) = (Mutex::default(), Mutex::default());
        Surroundings { hub, plan, membership, stopping, network, pulled }
    }

    /// The name of the network.
    pub(super) fn network_name(&self) -> String {
        self.plan.network(self.hub.engine.owner())
    }

    /// The network. One of Ringway's own is made if it is missing, and Ringway's own container is put on it if replicas are
    /// reached by name.
    ///
    /// # Errors
    /// When there is none or more than one, or when it cannot be joined.
    pub(super) async fn network(&self) -> Result<Network, Trouble> {
        let mut known = self.network.lock().await;
        if let Some(network) = &*known {
            return Ok(network.clone());
        }
        let id = self.find_network().await?;
        let way = self.way(&id).await?;
        let network = Network { id, way };
        *known = Some(network.clone());
        Ok(network)
    }

    async fn find_network(&self) -> Result<Box<str>, Trouble> {
        let engine = &self.hub.engine;
        let name = self.network_name();
        let of_call = |error: CallError| self.trouble(&error, Step::Network, "");
        let networks = engine.networks(&name).await.map_err(of_call)?;
        match only_network(&networks, &name).map_err(Trouble::of_setting)? {
            Some(id) => Ok(id.into()),
            None if self.plan.config().network.is_some() => {
                let words = format!("network {name} is not there: docker network create {name}");
                Err(Trouble::of_setting(words))
            }
            None => {
                let labels = label::of_network(engine.owner(), self.plan.service());
                engine.create_network(&name, labels).await.map_err(of_call)
            }
        }
    }

    /// How its containers are reached: as the configuration says, else by name if Ringway runs in a container of this engine,
    /// which is then on the network.
    async fn way(&self, network: &str) -> Result<Way, Trouble> {
        let wanted = self.plan.config().reach;
        if wanted == Some(Reach::Address) {
            return Ok(Way::Address);
        }
        let joined = match self.membership.own().await {
            Ok(Ok(own)) => match self.membership.join(&own, network, &self.network_name()).await {
                Err(error) => return Err(self.trouble(&error, Step::Join, own.short())),
                Ok(joined) => joined,
            },
            Ok(Err(doubt)) => Err(doubt),
            Err(error) => return Err(self.trouble(&error, Step::Inspect, "")),
        };
        Ok(match (joined, wanted) {
            (Ok(()), _) => Way::Name,
            (Err(doubt), Some(_)) => Way::DoubtfulName(doubt),
            (Err(_), None) => Way::Address,
        })
    }

    /// Something was refused that may have to do with the network: it is looked for again next time.
    pub(super) async fn forget_network(&self) {
        *self.network.lock().await = None;
    }

    /// Fetches the image, unless somebody else has fetched it since this was called.
    ///
    /// # Errors
    /// When that fails.
    pub(super) async fn pull(&self) -> Result<(), Trouble> {
        let asked = Instant::now();
        let mut pulled = self.pulled.lock().await;
        if pulled.is_some_and(|pulled| pulled > asked) {
            return Ok(());
        }
        let image = &self.plan.config().image;
        self.hub.engine.pull(image).await.map_err(|error| self.trouble(&error, Step::Pull, ""))?;
        *pulled = Some(Instant::now());
        Ok(())
    }

    /// Where an instance is reached.
    ///
    /// # Errors
    /// When nowhere.
    pub(super) async fn reach(
        &self,
        found: &Inspected,
        network: &Network,
        nonce: &str,
    ) -> Result<SocketAddr, Trouble> {
        let name = self.network_name();
        let address = address::choose(&found.attachments, &network.id, &name).map_err(Trouble::of_setting)?;
        let port = self.plan.config().port;
        let alias = label::alias(nonce);
        let words = match &network.way {
            Way::Address => return Ok(SocketAddr::new(address, port)),
            Way::Name => match self.resolve_again(&alias, port).await? {
                Ok(resolved) => return Ok(resolved),
                Err(reason) if self.plan.config().reach.is_none() => {
                    tracing::debug!("{reason}; it is reached at its address");
                    return Ok(SocketAddr::new(address, port));
                }
                Err(reason) => format!(
                    "{reason}, though Ringway's own container is on network {name}; has it an /etc/resolv.conf of yours? Leave reach out"
                ),
            },
            Way::DoubtfulName(doubt) => match resolve(&alias, port).await {
                Ok(resolved) => return Ok(resolved),
                Err(reason) => format!(
                    "{reason}; reach = \"name\" is for a Ringway in a container of the engine at {}, and it is in none ({doubt}); leave reach out",
                    self.hub.engine.address()
                ),
            },
        };
        Err(Trouble::of_setting(words))
    }

    /// A name's address; where there is none, Ringway's container may have been taken off the network, so that is seen to
    /// before it is asked for again.
    async fn resolve_again(&self, name: &str, port: u16) -> Result<Result<SocketAddr, String>, Trouble> {
        if let Ok(resolved) = resolve(name, port).await {
            return Ok(Ok(resolved));
        }
        self.forget_network().await;
        self.network().await?;
        Ok(resolve(name, port).await)
    }

    /// A call that failed.
    pub(super) fn trouble(&self, error: &CallError, step: Step, container: &str) -> Trouble {
        Trouble { words: self.explain(error, step, container), is_engines: error.is_engines() }
    }

    /// For the operator.
    pub(super) fn explain(&self, error: &CallError, step: Step, container: &str) -> String {
        let (engine, network) = (self.hub.engine.address(), self.network_name());
        let image = &self.plan.config().image;
        explain(error, step, &About { engine: &engine, image, network: &network, container })
    }
}

/// Asks the system's resolver, on a thread of its own: it may wait for a name server.
async fn resolve(name: &str, port: u16) -> Result<SocketAddr, String> {
    let (shown, name) = (name, name.to_owned());
    let found =
        tokio::task::spawn_blocking(move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter));
    match tokio::time::timeout(RESOLVE, found).await {
        Ok(Ok(Ok(addresses))) => {
            let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
            first.copied().ok_or_else(|| format!("'{shown}' has no address"))
        }
        Ok(Ok(Err(error))) => Err(format!("'{shown}' cannot be resolved: {error}")),
        Ok(Err(error)) => Err(format!("'{shown}' cannot be resolved: {error}")),
        Err(_) => Err(format!("'{shown}' cannot be resolved within {} s", RESOLVE.as_secs())),
    }
}
