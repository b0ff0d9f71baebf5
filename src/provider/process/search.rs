//! Finds the processes of instances that an earlier Ringway began. It blocks for as long as reading `/proc` takes.

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::claim::{Claim, Claims};
use super::identity::{self, Identity, Stat, Testimony, boot_id, system_pid};

/// An instance that may be running.
#[derive(Clone, Debug)]
pub(super) struct Sought {
    pub(super) nonce: Box<str>,
    pub(super) record: Option<Identity>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It runs.
    Running(Found),
    /// It does not run, and will not.
    Gone,
    /// The system did not let us know, for this reason: nothing may be concluded, ask again.
    Unclear(String),
}

/// A process that runs and the descriptor that means it, whatever its id means later.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) identity: Identity,
    pub(super) pidfd: OwnedFd,
    /// Its process group.
    pub(super) group: u32,
}

/// Looks for all of them, with one search of the machine at most.
pub(super) fn search(sought: &[Sought], claims: &Claims) -> Vec<Outcome> {
    let boot_id = match boot_id() {
        Ok(boot_id) => boot_id,
        Err(reason) => return sought.iter().map(|_| Outcome::Unclear(reason.clone())).collect(),
    };
    let known: Vec<Result<Option<Found>, String>> =
        sought.iter().map(|sought| by_identity(sought, claims, &boot_id)).collect();
    let is_open = |known: &Result<Option<Found>, String>| matches!(known, Ok(None));
    let by_nonce = if known.iter().any(is_open) { processes_by_nonce() } else { HashMap::new() };
    known
        .into_iter()
        .zip(sought)
        .map(|(known, sought)| match known {
            Ok(None) => by_environment(sought, &by_nonce, &boot_id),
            known => known,
        })
        .map(|found| match found {
            Ok(Some(found)) => Outcome::Running(found),
            Ok(None) => Outcome::Gone,
            Err(reason) => Outcome::Unclear(reason),
        })
        .collect()
}

/// By its record or its claim. Afterwards either a claim stands, or the launcher is known to have ended: an instance that
/// is not found now cannot begin to run later.
fn by_identity(sought: &Sought, claims: &Claims, boot_id: &str) -> Result<Option<Found>, String> {
    let Sought { nonce, record } = sought;
    if let Some(record) = record
        && let Some(found) = open(record, nonce, boot_id)?
    {
        return Ok(Some(found));
    }
    let unclear =
        |error| format!("the claim {} cannot be read or made: {error}", claims.path(nonce).display());
    let claim = match claims.read(nonce).map_err(unclear)? {
        // A record is written of a launcher that runs, so this one's has ended.
        None if record.is_some() => None,
        None => Some(claims.revoke(nonce, boot_id).map_err(unclear)?),
        claim => claim,
    };
    match claim {
        Some(Claim::Launched(identity)) => open(&identity, nonce, boot_id),
        Some(Claim::Revoked) | None => Ok(None),
    }
}

/// By its nonce. If several processes have it, the replica's first one is meant, which leads its session; if that is gone,
/// the oldest.
fn by_environment(
    sought: &Sought,
    by_nonce: &HashMap<Box<str>, Vec<(u32, Stat)>>,
    boot_id: &str,
) -> Result<Option<Found>, String> {
    let mut candidates = by_nonce.get(&sought.nonce).cloned().unwrap_or_default();
    candidates.sort_by_key(|&(pid, stat)| (stat.session != pid, stat.start_ticks, pid));
    for (pid, stat) in candidates {
        let identity = Identity { pid, start_ticks: stat.start_ticks, boot_id: boot_id.into() };
        if let Some(found) = open(&identity, &sought.nonce, boot_id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Opens a descriptor of the process, and only then looks whether it is the one: a process that had the id before and
/// after the opening had it in between.
fn open(identity: &Identity, nonce: &str, boot_id: &str) -> Result<Option<Found>, String> {
    let Some(pid) = system_pid(identity.pid) else { return Ok(None) };
    let pidfd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(pidfd) => pidfd,
        // There is none, or it is a thread.
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
        Err(error) => return Err(format!("process {pid} cannot be watched: {error}", pid = identity.pid)),
    };
    let is_refuted = || identity::testimony(identity.pid, nonce) == Testimony::Another;
    let Some(stat) = identity::stat(identity.pid).filter(|_| identity.is_alive(boot_id) && !is_refuted())
    else {
        return Ok(None);
    };
    Ok(Some(Found { identity: identity.clone(), pidfd, group: stat.group }))
}

/// All processes that have a nonce in an environment that we may read.
fn processes_by_nonce() -> HashMap<Box<str>, Vec<(u32, Stat)>> {
    let mut found: HashMap<Box<str>, Vec<(u32, Stat)>> = HashMap::new();
    for pid in processes() {
        if let Ok(Some(nonce)) = identity::nonce(pid)
            && let Some(stat) = identity::stat(pid).filter(|stat| stat.is_alive)
        {
            found.entry(nonce).or_default().push((pid, stat));
        }
    }
    found
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Kills what an instance's first process left behind, in its process `group` or anywhere, and says how many processes that
/// were. Each is killed by a descriptor that was looked at after it was opened: the id of a group whose leader is gone may
/// mean another group.
pub(super) fn sweep(nonce: &str, group: Option<u32>) -> usize {
    let is_left = |pid: u32| {
        identity::testimony(pid, nonce) == Testimony::Same
            && identity::stat(pid)
                .is_some_and(|stat| stat.is_alive && group.is_none_or(|group| stat.group == group))
    };
    let kill = |&pid: &u32| -> bool {
        is_left(pid)
            && system_pid(pid)
                .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
                // It has ended meanwhile, or is another user's: neither can be helped.
                .is_some_and(|pidfd| is_left(pid) && pidfd_send_signal(&pidfd, Signal::KILL).is_ok())
    };
    processes().filter(kill).count()
}
