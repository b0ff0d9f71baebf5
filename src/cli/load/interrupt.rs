//! The operator's wish to end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam::channel::{Receiver, Sender, bounded};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Failure;

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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _within = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let (sender, signalled) = bounded(0);
        let raised = Arc::new(AtomicBool::new(false));
        let noted = raised.clone();
        let watch = async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            };
            next().await;
            noted.store(true, Ordering::Release);
            drop(sender);
            next().await;
            std::process::exit(1);
        };
        thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch))?;
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
