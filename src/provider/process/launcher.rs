//! What the hidden command `ringway launch` does: it becomes a replica.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{Gid, Uid};
use rustix::process::{geteuid, setsid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use super::claim;
use super::identity::Identity;
use super::user::{self, User};

/// One start of a replica, in the process that is to become it.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Where to claim the start.
    pub claim: PathBuf,
    /// Where to run it.
    pub directory: Option<PathBuf>,
    /// Whom to become.
    pub user: Option<String>,
    /// Program and arguments.
    pub command: Vec<OsString>,
}

/// Why the replica does not run.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LaunchError {
    #[error("no command is given to launch")]
    Empty,
    #[error("cannot begin a session: {0}")]
    Session(io::Error),
    #[error("cannot read how signals are treated: {0}")]
    Signals(io::Error),
    #[error("cannot change to the directory '{}': {error}", .directory.display())]
    Directory { directory: PathBuf, error: io::Error },
    #[error("cannot run as the user '{user}': {reason}")]
    User { user: String, reason: String },
    #[error("this start was given up by a Ringway that came later; nothing is run")]
    Revoked,
    #[error("cannot claim the start in '{}': {reason}", .path.display())]
    Claim { path: PathBuf, reason: String },
    #[error("cannot run '{}': {error}", .program.display())]
    Command { program: PathBuf, error: io::Error },
}

impl LaunchError {
    /// What a shell would exit with: 127 for a command that is not there, 126 for what does not let it run.
    pub fn exit_code(&self) -> u8 {
        match self {
            LaunchError::Command { error, .. } if error.kind() == ErrorKind::NotFound => 127,
            _ => 126,
        }
    }
}

impl Launcher {
    /// Turns this process into the replica; returns only if it cannot. The process must have one thread, and be no
    /// leader of its process group, as a child is not.
    ///
    /// Of the signals, `Command::exec` gives SIGPIPE its default treatment back; the mask is the one that Ringway was
    /// started with, which blocks nothing unless its own parent did.
    pub fn launch(&self) -> LaunchError {
        match self.try_launch() {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn try_launch(&self) -> Result<std::convert::Infallible, LaunchError> {
        let (program, arguments) = self.command.split_first().ok_or(LaunchError::Empty)?;
        setsid().map_err(|error| LaunchError::Session(error.into()))?;
        stop_ignoring_signals().map_err(LaunchError::Signals)?;
        if let Some(directory) = &self.directory {
            std::env::set_current_dir(directory)
                .map_err(|error| LaunchError::Directory { directory: directory.clone(), error })?;
        }
        let of_user = |reason| LaunchError::User { user: self.user.clone().unwrap_or_default(), reason };
        let user = self.user.as_deref().map(user::look_up).transpose().map_err(of_user)?;
        self.claim()?;
        if let Some(user) = user {
            become_user(&user).map_err(of_user)?;
        }
        let error = Command::new(program).args(arguments).exec();
        Err(LaunchError::Command { program: program.into(), error })
    }

    /// From here on a later Ringway finds this process by its claim; until here it would have prevented this start.
    fn claim(&self) -> Result<(), LaunchError> {
        let failed = |reason| LaunchError::Claim { path: self.claim.clone(), reason };
        let own = Identity::of(std::process::id()).map_err(failed)?;
        claim::claim(&self.claim, &own).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => LaunchError::Revoked,
            _ => failed(error.to_string()),
        })
    }
}

/// A shell without job control starts what it runs in the background with SIGINT and SIGQUIT ignored, `nohup` with SIGHUP;
/// that is inherited, and a replica would not hear its stop signal. A handler, unlike that, becomes the default treatment
/// when the program is exchanged. It is installed only where it is needed, because a signal that arrives before the
/// exchange is lost in it.
fn stop_ignoring_signals() -> io::Result<()> {
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::terminate(),
        SignalKind::child(),
    ];
    let ignored = ignored_signals(&fs::read_to_string("/proc/self/status")?);
    let is_ignored = |kind: &SignalKind| ignored >> (kind.as_raw_value() - 1) & 1 == 1;
    if kinds.iter().any(is_ignored) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let _entered = runtime.enter();
        for kind in kinds.into_iter().filter(is_ignored) {
            // The handler stays when the stream of its arrivals is dropped.
            drop(signal(kind)?);
        }
    }
    Ok(())
}

/// A bit for each, beginning with signal 1; 0 where the text does not say.
fn ignored_signals(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// For this thread, which is the only one, and what it executes.
fn become_user(user: &User) -> Result<(), String> {
    let own = geteuid();
    let uid = Uid::from_raw(user.uid);
    if !own.is_root() {
        let needed = format!("that needs root, and Ringway runs as user {}", own.as_raw());
        return if own == uid { Ok(()) } else { Err(needed) };
    }
    let gid = Gid::from_raw(user.gid);
    let groups: Vec<Gid> = user.groups.iter().map(|&group| Gid::from_raw(group)).collect();
    // The user last: the others need root.
    set_thread_groups(&groups)
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tSigIgn: 1\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001006\nSigCgt:\t1";
        assert_eq!(ignored_signals(status), 0x1006);
        assert_eq!(ignored_signals("SigIgn:\tx"), 0);
        assert_eq!(ignored_signals(""), 0);
    }

    #[test]
    fn a_command_that_is_not_there_has_the_shells_exit_code() {
        let of =
            |kind: ErrorKind| LaunchError::Command { program: "a".into(), error: kind.into() }.exit_code();
        assert_eq!(of(ErrorKind::NotFound), 127);
        assert_eq!(of(ErrorKind::PermissionDenied), 126);
        assert_eq!(LaunchError::Revoked.exit_code(), 126);
    }
}
