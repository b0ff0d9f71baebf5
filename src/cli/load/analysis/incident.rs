//! Kills a server under load, and watches until it is replaced.

use std::net::SocketAddr;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};
use rustix::process::{Pid, Signal, kill_process};

use super::admin::{Admin, is_active, replicas};
use crate::base::time::Moment;
use crate::cli::Failure;
use crate::engine::clock::Clock;

/// Between two looks at the servers.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What was done, and when.
#[derive(Clone, Debug)]
pub(super) struct Killed {
    pub(super) server: String,
    pub(super) at: Moment,
    /// When another process of its name was first seen to be active; `None` if the load was over before.
    pub(super) active_again: Option<Moment>,
}

/// Kills the server that has had most attempts, so long `after` the moment that `began` tells, and returns when it is
/// replaced, or when the load is over, which is when `began` is disconnected.
pub(super) fn kill_busiest(
    admin: SocketAddr,
    clock: Clock,
    began: &Receiver<Moment>,
    after: Duration,
) -> Result<Killed, Failure> {
    const TOO_SHORT: &str = "the load ended before a server could be killed";
    let admin = Admin::new(admin)?;
    let due = began.recv().map_err(|_| TOO_SHORT)? + after;
    let pause = due.since(clock.now());
    if began.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
        return Err(TOO_SHORT.into());
    }
    let status = admin.status()?;
    let busiest =
        replicas(&status).iter().max_by_key(|replica| replica.attempts).ok_or("there is no server")?;
    let raw = busiest.pid.and_then(|pid| i32::try_from(pid).ok());
    let pid = raw.and_then(Pid::from_raw).ok_or("the server to be killed has no process")?;
    let at = clock.now();
    kill_process(pid, Signal::KILL).map_err(|error| format!("cannot kill {}: {error}", busiest.name))?;
    let active_again = loop {
        if began.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
            break None;
        }
        let status = admin.status()?;
        let replaced = replicas(&status)
            .iter()
            .any(|replica| replica.name == busiest.name && replica.pid != busiest.pid && is_active(replica));
        if replaced {
            break Some(clock.now());
        }
    };
    Ok(Killed { server: busiest.name.clone(), at, active_again })
}
