//! Ringway's own container on one engine: found once, put on networks so that it reaches replicas by name, and taken off so
//! that a network of Ringway's own can be removed.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::engine::Engine;
use super::fault::CallError;
use super::own_container::{OwnContainer, Sign, is_local, judge};

/// See the module.
pub(super) struct Membership {
    engine: Arc<Engine>,
    signs: Vec<Sign>,
    /// The sign of Ringway's own container, or why it has none there. Held while it is looked for, and while a network is
    /// joined: two services may be on one network.
    known: Mutex<Option<Result<Sign, String>>>,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Membership").field("signs", &self.signs).finish_non_exhaustive()
    }
}

impl Membership {
    /// Asks nobody yet. `signs` speak for containers that Ringway may run in.
    pub(super) fn new(engine: Arc<Engine>, signs: Vec<Sign>) -> Self {
        Membership { engine, signs, known: Mutex::default() }
    }

    /// The sign by which the engine knows the container that Ringway runs in, or why there is none, for the operator.
    ///
    /// # Errors
    /// When the engine does not answer: nothing is known then, and it is asked again the next time.
    pub(super) async fn own(&self) -> Result<Result<Sign, String>, CallError> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let mut doubts = Vec::new();
        for sign in &self.signs {
            match self.look(sign).await? {
                Ok(own) => {
                    tracing::info!(engine = self.engine.address(), container = %own.id, "Ringway's own container");
                    return Ok(known.insert(Ok(sign.clone())).clone());
                }
                Err(doubt) => doubts.push(doubt),
            }
        }
        if doubts.is_empty() {
            doubts.push("neither its mounts nor its host name tell of one".to_owned());
        }
        let doubt = doubts.join(", ");
        tracing::debug!(engine = self.engine.address(), doubt, "Ringway is in no container of the engine");
        Ok(known.insert(Err(doubt)).clone())
    }

    /// Puts the container on the network with this id and name, unless it is on it. The inner error is a proof that failed: the engine
    /// has another container of that id, which is left as it was.
    ///
    /// # Errors
    /// When the engine refuses it or does not answer.
    pub(super) async fn join(
        &self,
        own: &Sign,
        network: &str,
        name: &str,
    ) -> Result<Result<(), String>, CallError> {
        let _one_at_a_time = self.known.lock().await;
        let before = match self.look(own).await? {
            Ok(before) => before,
            Err(doubt) => return Ok(Err(doubt)),
        };
        if before.is_on(network) {
            return Ok(Ok(()));
        }
        self.engine.connect(network, &before.id).await?;
        match self.look(own).await? {
            Ok(after) if after.is_on(network) => {
                tracing::info!(container = %after.id, network = name, "put Ringway's own container on the network");
                Ok(Ok(()))
            }
            after => {
                self.engine.disconnect(network, &before.id).await?;
                Ok(Err(after.err().unwrap_or_else(|| "it came on no network".to_owned())))
            }
        }
    }

    /// Takes Ringway's container off a network on which nothing else is.
    ///
    /// # Errors
    /// When the engine refuses it or does not answer.
    pub(super) async fn leave_if_last(&self, network: &str) -> Result<(), CallError> {
        let members = self.engine.members(network).await?;
        let [member] = &members[..] else { return Ok(()) };
        match self.own().await? {
            Ok(own) if own.is_of(member) => self.engine.disconnect(network, member).await,
            _ => Ok(()),
        }
    }

    /// Asks the engine for the container for which a sign speaks, and judges what it says; the inner error says why that is
    /// not Ringway's own.
    async fn look(&self, sign: &Sign) -> Result<Result<OwnContainer, String>, CallError> {
        match self.engine.inspect(&sign.id).await {
            Ok(found) => Ok(judge(sign, &found, is_local)),
            Err(error) if error.is_absent() => {
                Ok(Err(format!("that engine has no container {}", sign.short())))
            }
            Err(CallError::Refused { status: status @ 400..500, .. }) => {
                Ok(Err(format!("that engine does not show container {} (status {status})", sign.short())))
            }
            Err(error) => Err(error),
        }
    }
}
