//! The operator's wish to end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::cli::{Failure, signals};

/// Whether SIGINT or SIGTERM came since [`Interrupt::catch`].
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    raised: Arc<AtomicBool>,
    /// Never gets a message: it is disconnected by the first signal.
    signalled: Receiver<()>,
}

impl Interrupt {
    /// From now on the first signal is noted here, and the second ends the process.
    pub(super) fn catch() -> Result<Self, Failure> {
        let (sender, signalled) = bounded(0);
        let raised = Arc::new(AtomicBool::new(false));
        let noted = raised.clone();
        signals::on_first(move || {
            noted.store(true, Ordering::Release);
            drop(sender);
        })?;
        Ok(Interrupt { raised, signalled })
    }

    /// One that ends a run for another reason: it is raised once the sender is dropped.
    pub(super) fn by_sender() -> (Sender<()>, Self) {
        let (sender, signalled) = bounded(0);
        (sender, Interrupt { raised: Arc::default(), signalled })
    }

    /// Whether one came.
    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// A channel that is disconnected by the first signal, to wait for beside others.
    pub(super) fn signalled(&self) -> &Receiver<()> {
        &self.signalled
    }
}
