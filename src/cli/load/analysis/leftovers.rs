//! Ends processes that write into a folder: those of a Ringway that could not stop them itself.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How often is looked: a process may begin another one while it is being killed.
const ROUNDS_MAX: usize = 100;

/// Kills every process whose standard output is a file below `folder`. A Ringway's servers log into its state directory, and
/// those that it is just starting into its own log.
pub(super) fn kill(folder: &Path) {
    // The kernel names files by their real path.
    let Ok(folder) = folder.canonicalize() else { return };
    for _ in 0..ROUNDS_MAX {
        if kill_once(&folder) == 0 {
            return;
        }
    }
}

/// Returns how many there were.
fn kill_once(folder: &Path) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).filter(|&pid| kill_one(pid, folder)).count()
}

/// The descriptor is opened before the look, so that it means the process that was looked at, whatever its number means
/// afterwards.
fn kill_one(pid: Pid, folder: &Path) -> bool {
    let output = format!("/proc/{}/fd/1", pid.as_raw_pid());
    let writes_below = || fs::read_link(&output).is_ok_and(|file| file.starts_with(folder));
    if pid == rustix::process::getpid() || !writes_below() {
        return false;
    }
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    writes_below() && pidfd_send_signal(process, Signal::KILL).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn who_writes_into_the_folder_is_killed_and_nobody_else() {
        let (ours, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let start = |folder: &Path| {
            let log = File::create(folder.join("log")).unwrap();
            Command::new("sleep").arg("60").stdin(Stdio::null()).stdout(log).spawn().unwrap()
        };
        let (mut meant, mut other) = (start(ours.path()), start(others.path()));
        kill(ours.path());
        assert_eq!(meant.wait().unwrap().signal(), Some(9));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
