//! Replicas that are processes on this machine.
//!
//! What is started is this program's own hidden command `ringway launch`, which takes a session of its own, becomes the
//! configured user and then turns into the replica's command, keeping its process id and its start time. So a replica
//! outlives Ringway: it has no terminal, no parent-death signal, no descriptor of Ringway's, and it logs into a file.
//!
//! # Why a crash of Ringway neither loses nor doubles a replica
//!
//! The intent of a start, and with it the nonce, is durable before [`start`](ProcessProvider::start) is called. After a
//! `kill -9` the next process has that intent and perhaps a [`Record`], and finds one of these states:
//!
//! 1. Nothing was forked. Nothing runs.
//! 2. The fork has happened, and the child has not become the launcher yet: its environment is still Ringway's, or empty
//!    while the kernel exchanges the program. No search of the machine can recognize it.
//! 3. The launcher runs, before its claim.
//! 4. The launcher has claimed the start: `claims/<nonce>` in the state directory exists and says which process it is.
//! 5. The command runs, in the same process.
//!
//! A search that repeats itself for a while would make 2 and 3 unlikely to be missed; the claim closes them. It is a
//! symbolic link, which the system creates whole or not at all and only if the name is free. The launcher runs the command
//! only after it has made the link. [`adopt`](ProcessProvider::adopt), where it finds no link, makes it itself, as a
//! revocation. One of the two is first: either the adoption reads who the launcher is, or the launcher, however late it
//! comes, finds its start revoked and exits. So "was not found running" also means "will not run".
//!
//! The record and the claim name a process by its id, its start time and the boot id of the machine, and count only while
//! such a process lives. Where neither does, the environments of all processes are searched for the nonce, once for all
//! the instances of a start and beside the control thread: 10 ms for 580 processes (2 virtual cores, debug build). That
//! finds replicas whose claims somebody deleted, and what a replica's first process left behind when it died while no
//! Ringway watched.
//!
//! The environment is not asked to confirm a record or a claim when it names no nonce at all: servers that write their
//! state into the process title overwrite it, and a process id together with a start time in hundredths of a second
//! recurs only if all process ids were used within one of them. A different nonce does refute it.

mod adopt;
mod claim;
mod identity;
mod launcher;
mod log;
mod plan;
mod port;
mod search;
mod spawn;
mod supervise;
mod user;

pub use launcher::{LaunchError, Launcher};
pub use plan::{CommandLine, ProcessPlan};
pub use port::PortAllocator;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::mpsc;

use self::adopt::{Adopter, Adoption};
use self::claim::Claims;
use self::log::LogFile;
use self::port::PortLease;
use self::supervise::{Process, Supervised};
use super::{Ending, Instance, InstanceId, IntendedPlace, Intent, ProviderEvent, Record};
use crate::base::replica_name::ReplicaName;

/// Ports that are promised to intents at most. An intent that is dropped without [`ProcessProvider::start`] gives its
/// port back when so many younger ones are waiting.
const PREPARED_MAX: usize = 1024;

/// What the process providers of all services of one Ringway have in common.
#[derive(Clone, Debug)]
pub struct ProcessHost {
    launcher: PathBuf,
    logs: PathBuf,
    ports: PortAllocator,
    claims: Claims,
    events: mpsc::UnboundedSender<ProviderEvent>,
    adopter: Adopter,
}

impl ProcessHost {
    /// Takes the state directory, which the caller has locked, and where to report. `launcher` is this program; `None`:
    /// the program that runs, even if its file was replaced since. Called on a tokio runtime.
    ///
    /// # Errors
    /// When the directories of claims and logs cannot be made.
    pub fn new(
        state_directory: &Path,
        launcher: Option<PathBuf>,
        events: mpsc::UnboundedSender<ProviderEvent>,
    ) -> Result<Self, String> {
        let state_directory = std::path::absolute(state_directory)
            .map_err(|error| format!("{}: {error}", state_directory.display()))?;
        let claims = Claims::open(&state_directory.join("claims"))?;
        Ok(ProcessHost {
            launcher: launcher.unwrap_or_else(|| "/proc/self/exe".into()),
            logs: state_directory.join("logs"),
            ports: PortAllocator::default(),
            adopter: Adopter::start(claims.clone()),
            claims,
            events,
        })
    }
}

/// Starts, finds, watches and ends the replicas of one service. Dropping it ends none of them.
///
/// It belongs to the control thread: no call takes longer than a fork, and what needs longer is reported as a
/// [`ProviderEvent`]. Every instance that is started or adopted ends with exactly one [`ProviderEvent::Ended`].
#[derive(Debug)]
pub struct ProcessProvider {
    host: ProcessHost,
    plan: ProcessPlan,
    prepared: RefCell<VecDeque<PortLease>>,
    instances: RefCell<HashMap<InstanceId, Handle>>,
}

/// How the task of an instance is reached.
#[derive(Debug)]
struct Handle {
    endings: mpsc::UnboundedSender<Ending>,
    pid: Arc<AtomicU32>,
}

impl ProcessProvider {
    /// The provider of one service.
    pub fn new(host: ProcessHost, plan: ProcessPlan) -> Self {
        ProcessProvider { host, plan, prepared: RefCell::default(), instances: RefCell::default() }
    }

    /// What it starts.
    pub fn plan(&self) -> &ProcessPlan {
        &self.plan
    }

    /// Makes what has to be durable before a start: a nonce, and a port that nothing uses. The port stays reserved until
    /// the instance ends, or until [`discard`](ProcessProvider::discard).
    ///
    /// # Errors
    /// When no port is free, in words for the operator.
    pub fn prepare(&self) -> Result<Intent, String> {
        let [nonce, place] = random()?;
        let lease = self.host.ports.lease_free(self.plan.ports(), place as usize)?;
        let port = lease.port();
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() == PREPARED_MAX {
            prepared.pop_front();
        }
        prepared.push_back(lease);
        Ok(Intent { nonce: format!("{nonce:032x}").into(), place: IntendedPlace::Process { port } })
    }

    /// Gives back the port of an intent that will not be started.
    pub fn discard(&self, intent: &Intent) {
        self.lease(port(intent));
    }

    /// Starts an instance whose intent is durable, and reports `Started` or `Ended`.
    pub fn start(&self, instance: Instance) {
        if let Err(reason) = self.try_start(&instance) {
            self.report(ProviderEvent::Ended { id: instance.id, reason, log_tail: Vec::new() });
        }
    }

    fn try_start(&self, instance: &Instance) -> Result<(), String> {
        let port = port(&instance.intent);
        let lease = self
            .lease(port)
            .ok_or_else(|| format!("cannot start: port {port} was given to another replica since"))?;
        self.host.claims.make_directory()?;
        let log = self.log_of(&instance.name);
        let file = log.open().map_err(|error| format!("cannot open {}: {error}", log.path().display()))?;
        let written = file.metadata().map_or(0, |data| data.len());
        let line = self.plan.command_line(port, &instance.name)?;
        let claim = self.host.claims.path(&instance.intent.nonce);
        let command = spawn::command(&self.host.launcher, &self.plan, instance, line, &claim, file)
            .map_err(|error| format!("cannot start: {error}"))?;
        let (process, identity) = Process::spawn(command)?;
        let supervised = self.supervised(instance, Some(lease), log.written_from(written), identity.pid);
        self.report(ProviderEvent::Started {
            id: instance.id,
            address: address(port),
            record: identity.into_record(),
        });
        tokio::spawn(supervised.until_end(process));
        Ok(())
    }

    /// Looks for an instance of an earlier process, and reports `Adopted` or `Ended`. Whatever is reported as `Ended` does
    /// not run and will not: its start is revoked.
    pub fn adopt(&self, instance: Instance, record: Option<Record>) {
        let lease = self.lease(port(&instance.intent));
        let supervised = self.supervised(&instance, lease, self.log_of(&instance.name), 0);
        self.host.adopter.adopt(Adoption { nonce: instance.intent.nonce, record, supervised });
    }

    /// Asks or forces an instance to end. One that has ended already is left alone.
    pub fn end(&self, id: InstanceId, ending: Ending) {
        if let Some(handle) = self.instances.borrow().get(&id) {
            // Refused only if the task is over, and so the process.
            let _ = handle.endings.send(ending);
        }
    }

    /// The process of an instance that runs.
    pub fn pid(&self, id: InstanceId) -> Option<u32> {
        let instances = self.instances.borrow();
        instances.get(&id).map(|handle| handle.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }

    fn supervised(
        &self,
        instance: &Instance,
        lease: Option<PortLease>,
        log: LogFile,
        pid: u32,
    ) -> Supervised {
        let (sender, endings) = mpsc::unbounded_channel();
        let pid = Arc::new(AtomicU32::new(pid));
        let mut instances = self.instances.borrow_mut();
        instances.retain(|_, handle| !handle.endings.is_closed());
        instances.insert(instance.id, Handle { endings: sender, pid: pid.clone() });
        Supervised {
            id: instance.id,
            nonce: instance.intent.nonce.clone(),
            address: address(port(&instance.intent)),
            stop_signal: self.plan.stop_signal(),
            claims: self.host.claims.clone(),
            events: self.host.events.clone(),
            lease,
            log,
            endings,
            pid,
        }
    }

    /// The lease that [`prepare`](ProcessProvider::prepare) took, or a new one; `None` if somebody else has the port.
    fn lease(&self, port: u16) -> Option<PortLease> {
        let mut prepared = self.prepared.borrow_mut();
        match prepared.iter().position(|lease| lease.port() == port) {
            Some(place) => prepared.remove(place),
            None => self.host.ports.lease(port),
        }
    }

    fn log_of(&self, name: &ReplicaName) -> LogFile {
        LogFile::new(&self.host.logs.join(self.plan.service()), name)
    }

    fn report(&self, event: ProviderEvent) {
        // The receiver is gone only when the program ends.
        let _ = self.host.events.send(event);
    }
}

/// The port of a process; 0, at which nothing listens, of an intent that is not for this provider.
fn port(intent: &Intent) -> u16 {
    intent.port().unwrap_or_default()
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Two random numbers.
fn random() -> Result<[u128; 2], String> {
    let mut bytes = [0; 32];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|error| format!("the system gives no random numbers: {error}"))?;
    let (first, second) = bytes.split_at(16);
    let number = |half: &[u8]| half.iter().fold(0, |number, &byte| number << 8 | u128::from(byte));
    Ok([number(first), number(second)])
}
