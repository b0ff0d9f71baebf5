//! Takes over the instances of an earlier Ringway.

use std::time::Duration;

use tokio::sync::mpsc;

use super::claim::Claims;
use super::identity::Identity;
use super::search::{Outcome, Sought, search};
use super::supervise::{Process, Supervised};
use crate::provider::Record;

/// Before a look is repeated that the system did not allow.
const PAUSE: Duration = Duration::from_secs(1);

/// An instance that may be running.
#[derive(Debug)]
pub(super) struct Adoption {
    pub(super) nonce: Box<str>,
    pub(super) record: Option<Record>,
    pub(super) supervised: Supervised,
}

/// The task that adopts for all services, so that one search of the machine serves all the instances of a start.
#[derive(Clone, Debug)]
pub(super) struct Adopter {
    queue: mpsc::UnboundedSender<Adoption>,
}

impl Adopter {
    /// Starts the task, which ends with the last clone of this value.
    pub(super) fn start(claims: Claims) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(adopt_all(waiting, queue.downgrade(), claims));
        Adopter { queue }
    }

    pub(super) fn adopt(&self, adoption: Adoption) {
        // The task ends before this only with the runtime.
        let _ = self.queue.send(adoption);
    }
}

async fn adopt_all(
    mut waiting: mpsc::UnboundedReceiver<Adoption>,
    queue: mpsc::WeakUnboundedSender<Adoption>,
    claims: Claims,
) {
    while let Some(first) = waiting.recv().await {
        let mut batch = vec![first];
        while let Ok(next) = waiting.try_recv() {
            batch.push(next);
        }
        let sought: Vec<Sought> = batch.iter().map(Adoption::sought).collect();
        let claims = claims.clone();
        // Fails only when the runtime ends.
        let Ok(outcomes) = tokio::task::spawn_blocking(move || search(&sought, &claims)).await else {
            return;
        };
        for (adoption, outcome) in batch.into_iter().zip(outcomes) {
            tokio::spawn(adoption.conclude(outcome, queue.clone()));
        }
    }
}

impl Adoption {
    fn sought(&self) -> Sought {
        Sought { nonce: self.nonce.clone(), record: self.record.as_ref().and_then(Identity::of_record) }
    }

    async fn conclude(mut self, outcome: Outcome, queue: mpsc::WeakUnboundedSender<Adoption>) {
        let reason = match outcome {
            Outcome::Gone => return self.supervised.not_found().await,
            Outcome::Running(found) => {
                // What is in hand is asked for again by its identity, should it not be watched at once.
                self.record = Some(found.identity.clone().into_record());
                match Process::adopted(found) {
                    Ok(process) => return self.supervised.adopted(process, self.record).await,
                    Err(reason) => reason,
                }
            }
            Outcome::Unclear(reason) => reason,
        };
        tracing::warn!(nonce = %self.nonce, %reason, "cannot tell whether a replica of an earlier run still runs; asking again");
        tokio::time::sleep(PAUSE).await;
        if let Some(queue) = queue.upgrade() {
            let _ = queue.send(self);
        }
    }
}
