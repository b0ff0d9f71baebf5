//! The operator's wish that a command ends.

use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;

/// From now on the first SIGINT or SIGTERM calls `first`, on a thread of its own, and the second ends the process.
pub(super) fn on_first(first: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watch = async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        first();
        next().await;
        std::process::exit(1);
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch))?;
    Ok(())
}
