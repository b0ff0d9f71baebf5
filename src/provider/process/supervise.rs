//! One running instance: how it is watched, asked to end, and reported.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::claim::Claims;
use super::identity::{Identity, system_pid};
use super::log::LogFile;
use super::port::PortLease;
use super::search::{self, Found};
use crate::base::supervision::StopSignal;
use crate::provider::{Ending, InstanceId, ProviderEvent, Record};

/// A process that is watched. Signals go through its descriptor, never to an id that may be another's by then.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
    /// Of an adopted one, its process group.
    adopted_group: Option<u32>,
}

/// How a process ended.
enum Exit {
    /// It was a child, and waits to be reaped.
    Child(WaitIdStatus),
    /// It was somebody else's child, who has been told.
    Foreign,
}

impl Process {
    /// Starts a child. If it cannot be watched it is killed again.
    pub(super) fn spawn(mut command: Command) -> Result<(Self, Identity), String> {
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().to_string_lossy()))?;
        // Nobody reaps the child meanwhile, so its id means it.
        let watched = Identity::of(child.id()).and_then(|identity| {
            let pid = system_pid(identity.pid).ok_or("the child has no process id")?;
            let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)
                .map_err(|error| format!("pidfd_open: {error}; Linux 5.4 or newer is needed"))?;
            Ok((Process::watch(pid, pidfd, None)?, identity))
        });
        watched.map_err(|reason| {
            // A child that has not been reaped can always be killed and waited for.
            let _ = child.kill();
            let _ = child.wait();
            format!("started, but cannot be watched, so it was killed: {reason}")
        })
    }

    /// Watches a process that an earlier Ringway started.
    pub(super) fn adopted(found: Found) -> Result<Self, String> {
        let pid = system_pid(found.identity.pid).ok_or("it has no process id")?;
        Process::watch(pid, found.pidfd, Some(found.group))
    }

    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor may be another one later; an OwnedFd's may not"
    )]
    fn watch(pid: Pid, pidfd: OwnedFd, adopted_group: Option<u32>) -> Result<Self, String> {
        let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE)
            .map_err(|error| format!("the process cannot be polled: {error}"))?;
        Ok(Process { pid, pidfd, adopted_group })
    }

    fn end(&self, ending: Ending, stop: StopSignal) {
        let signal = match ending {
            Ending::Ask => signal(stop),
            Ending::Kill => Signal::KILL,
        };
        match pidfd_send_signal(self.pidfd.get_ref(), signal) {
            Ok(()) => {}
            // It has ended, which is about to be noticed.
            Err(Errno::SRCH) => return,
            Err(error) => {
                tracing::warn!(pid = %self.pid, ?signal, %error, "a replica cannot be signalled");
            }
        }
        if ending == Ending::Kill {
            self.kill_group();
        }
    }

    /// Kills the children of the replica's first process, so that those of a shell do not stay behind.
    ///
    /// The group with the number of our process's id can only be its own: a number that is still a process's id is given to
    /// no other process, and only a process can found the group of its number. A child keeps its id until we reap it,
    /// which happens after this, in the same task. Of an adopted process only the moment between its end and the arrival
    /// of that news here is open, in which the system would have to go through all its process ids.
    fn kill_group(&self) {
        // There is no such group while the launcher has no session of its own, and none after its last member.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    async fn ended(&self) -> Exit {
        loop {
            let Ok(mut ready) = self.pidfd.readable().await else {
                // The runtime ends, and this task with it.
                return std::future::pending().await;
            };
            match self.wait(WaitIdOptions::NOWAIT) {
                Ok(Some(status)) => return Exit::Child(status),
                Ok(None) => ready.clear_ready(),
                Err(_) => return Exit::Foreign,
            }
        }
    }

    fn wait(&self, how: WaitIdOptions) -> Result<Option<WaitIdStatus>, Errno> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | how;
        waitid(WaitId::PidFd(self.pidfd.get_ref().as_fd()), options)
    }

    fn reap(&self) {
        // That it is there was seen, and only this task asks.
        let _ = self.wait(WaitIdOptions::empty());
    }
}

/// The task of one instance, and what it reports when it is over.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) id: InstanceId,
    pub(super) nonce: Box<str>,
    pub(super) address: SocketAddr,
    pub(super) stop_signal: StopSignal,
    pub(super) claims: Claims,
    pub(super) events: mpsc::UnboundedSender<ProviderEvent>,
    /// `None`: adopted with a port that another instance has as well.
    pub(super) lease: Option<PortLease>,
    pub(super) log: LogFile,
    pub(super) endings: mpsc::UnboundedReceiver<Ending>,
    /// The process's id while it runs, otherwise 0. Written here, read by the provider.
    pub(super) pid: Arc<AtomicU32>,
}

impl Supervised {
    /// Reports an adoption, then as [`until_end`](Supervised::until_end).
    pub(super) async fn adopted(self, process: Process, record: Option<Record>) {
        if let Some(record) = record {
            self.pid.store(process.pid.as_raw_nonzero().get().unsigned_abs(), Ordering::Relaxed);
            self.report(ProviderEvent::Adopted { id: self.id, address: self.address, record });
        }
        self.until_end(process).await;
    }

    /// Reports that nothing of the instance runs.
    pub(super) async fn not_found(self) {
        self.conclude("was not found running".to_owned(), |_| 0).await;
    }

    /// Does what the instance is to end by, until it has ended.
    pub(super) async fn until_end(mut self, process: Process) {
        let mut told = false;
        let exit = loop {
            tokio::select! {
                exit = process.ended() => break exit,
                Some(ending) = self.endings.recv() => {
                    told = true;
                    process.end(ending, self.stop_signal);
                }
            }
        };
        // Nobody told it to: it may have gone into the background, with a session of its own, where it would stay for ever
        // beside all that are started after it.
        let has_left = !told && matches!(&exit, Exit::Child(status) if status.exit_status() == Some(0));
        let reason = match &exit {
            Exit::Child(status) => words(status),
            Exit::Foreign => {
                "ended (it was started by an earlier process, so its exit code is not known)".to_owned()
            }
        };
        if let Exit::Child(_) = exit {
            process.kill_group();
            process.reap();
        }
        let left = process.adopted_group;
        self.conclude(reason, move |nonce| match left {
            Some(group) => {
                search::sweep(nonce, Some(group));
                0
            }
            None if has_left => search::sweep(nonce, None),
            None => 0,
        })
        .await;
    }

    /// `clear` takes away what the instance left behind, and says how many processes the operator should know of; it may
    /// block.
    async fn conclude(self, mut reason: String, clear: impl FnOnce(&str) -> usize + Send + 'static) {
        let Supervised { id, nonce, claims, events, lease, log, pid, .. } = self;
        pid.store(0, Ordering::Relaxed);
        let read = tokio::task::spawn_blocking(move || {
            let cleared = clear(&nonce);
            claims.forget(&nonce);
            (log.tail(), cleared)
        });
        // Fails only when the runtime ends.
        let (log_tail, cleared) = read.await.unwrap_or_default();
        if cleared > 0 {
            reason.push_str(&format!(
                "; {cleared} processes that it left behind were killed: a replica has to stay in the foreground"
            ));
        }
        drop(lease);
        // The receiver is gone only when the program ends.
        let _ = events.send(ProviderEvent::Ended { id, reason, log_tail });
    }

    fn report(&self, event: ProviderEvent) {
        let _ = self.events.send(event);
    }
}

fn signal(stop: StopSignal) -> Signal {
    match stop {
        StopSignal::Int => Signal::INT,
        StopSignal::Term => Signal::TERM,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Usr1 => Signal::USR1,
        StopSignal::Usr2 => Signal::USR2,
    }
}

/// How a child ended, for the operator.
fn words(status: &WaitIdStatus) -> String {
    if let Some(code) = status.exit_status() {
        return format!("exited with code {code}");
    }
    let number = status.terminating_signal().unwrap_or_default();
    let core = if status.dumped() { " (core dumped)" } else { "" };
    match SIGNAL_NAMES.iter().find(|(signal, _)| signal.as_raw() == number) {
        Some((_, name)) => format!("killed by {name}{core}"),
        None => format!("killed by signal {number}{core}"),
    }
}

const SIGNAL_NAMES: &[(Signal, &str)] = &[
    (Signal::HUP, "SIGHUP"),
    (Signal::INT, "SIGINT"),
    (Signal::QUIT, "SIGQUIT"),
    (Signal::ILL, "SIGILL"),
    (Signal::TRAP, "SIGTRAP"),
    (Signal::ABORT, "SIGABRT"),
    (Signal::BUS, "SIGBUS"),
    (Signal::FPE, "SIGFPE"),
    (Signal::KILL, "SIGKILL"),
    (Signal::USR1, "SIGUSR1"),
    (Signal::SEGV, "SIGSEGV"),
    (Signal::USR2, "SIGUSR2"),
    (Signal::PIPE, "SIGPIPE"),
    (Signal::ALARM, "SIGALRM"),
    (Signal::TERM, "SIGTERM"),
    (Signal::XCPU, "SIGXCPU"),
    (Signal::XFSZ, "SIGXFSZ"),
    (Signal::SYS, "SIGSYS"),
];
