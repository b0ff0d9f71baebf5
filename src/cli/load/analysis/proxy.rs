//! A Ringway with servers of its own, for one measurement. None of its processes and files outlives it, but for its folder
//! if this process is killed: then the Ringway stops itself and its servers, and who is to remove the folder is gone.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crossbeam::channel::RecvTimeoutError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

use super::admin::{Admin, is_active, replicas};
use super::{configuration, leftovers};
use crate::admin::status::Status;
use crate::base::time::Moment;
use crate::cli::cores::EngineKind;
use crate::cli::load::interrupt::Interrupt;
use crate::cli::{Failure, tell};
use crate::engine::clock::Clock;
use crate::load::analysis::steps::Step;

/// How long all servers may take until keys go to them.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long an end in order may take: more than the configuration lets it take.
const STOP_WITHIN: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// How long it may take until an end that others have noticed is an end.
const ENDING: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// So many of the log's last lines are shown if something failed.
const LOG_LINES: usize = 10;

/// The running program, ready.
#[derive(Debug)]
pub(super) struct Proxy {
    process: Process,
    pub(super) http: SocketAddr,
    pub(super) admin_address: SocketAddr,
    pub(super) admin: Admin,
}

impl Proxy {
    /// Starts it and waits until keys go to all of its servers.
    pub(super) fn start(step: Step, engine: EngineKind, interrupt: &Interrupt) -> Result<Proxy, Failure> {
        let mut process = Process::start(&configuration::text(step, engine))?;
        let wait = Wait { clock: Clock::start(), interrupt };
        let (http, admin_address) = loop {
            if let Some(found) = addresses(&process.log()) {
                break found;
            }
            process.wait_a_little(&wait)?;
        };
        let mut proxy = Proxy { process, http, admin_address, admin: Admin::new(admin_address)? };
        while !proxy.is_ready(step.servers())? {
            proxy.process.wait_a_little(&wait)?;
        }
        Ok(proxy)
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        // An error says that there is no such child.
        self.process.ends_within(&Timespec::default()).unwrap_or(true)
    }

    /// What to tell of a failure: whatever it is, the reason is that the proxy has ended, if it has. Its log says more.
    pub(super) fn explained(&self, failure: &Failure) -> Failure {
        // Its sockets are closed a moment before its end can be seen.
        if self.process.ends_within(&ENDING).unwrap_or(true) {
            self.process.failure("Ringway ended")
        } else {
            self.process.failure(&failure.to_string())
        }
    }

    fn is_ready(&self, servers: u32) -> Result<bool, Failure> {
        let active = |status: &Status| replicas(status).iter().filter(|replica| is_active(replica)).count();
        let looked = || Ok(self.admin.is_ready()? && active(&self.admin.status()?) == servers as usize);
        looked().map_err(|failure: Failure| self.explained(&failure))
    }
}

/// How long, and for whom, one waits.
struct Wait<'a> {
    /// Begun when the waiting began.
    clock: Clock,
    interrupt: &'a Interrupt,
}

/// The process, and the folder with its configuration, its state and its log.
#[derive(Debug)]
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn start(configuration: &str) -> Result<Process, Failure> {
        let folder = tempfile::Builder::new().prefix("ringway-analysis-").tempdir().map_err(|error| {
            format!("cannot make a folder in {}: {error}", std::env::temp_dir().display())
        })?;
        let file = folder.path().join("ringway.toml");
        fs::write(&file, configuration).map_err(|error| format!("{}: {error}", file.display()))?;
        let log = File::create(folder.path().join("ringway.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["run", "-c"])
            .arg(&file)
            // Nobody stops it if this process is killed.
            .args(["--end-with", &std::process::id().to_string()])
            // A Ctrl-C at the terminal is for the analysis alone, which then stops this in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start Ringway: {error}"))?;
        Ok(Process { child, folder })
    }

    /// Lets a moment pass, unless there is nothing to wait for any more.
    fn wait_a_little(&mut self, wait: &Wait<'_>) -> Result<(), Failure> {
        if let Some(status) = self.child.try_wait()? {
            return Err(self.failure(&format!("Ringway ended ({status})")));
        }
        if wait.clock.now() >= Moment::ORIGIN + READY_WITHIN {
            let seconds = READY_WITHIN.as_secs();
            return Err(self.failure(&format!("Ringway and its servers were not ready within {seconds} s")));
        }
        match wait.interrupt.signalled().recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err("interrupted".into()),
        }
    }

    fn failure(&self, what: &str) -> Failure {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        let last: String = last.iter().map(|line| format!("\n  {}", printable(line))).collect();
        format!("{what}; the last lines of its log:{last}").into()
    }

    /// What it logged, as far as it is text. It is short: a line for each event of a run of seconds.
    fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("ringway.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Means it as long as it has not been waited for.
    fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?)
    }

    /// Waits until it has ended, but not longer than that; whether it has.
    fn ends_within(&self, time: &Timespec) -> io::Result<bool> {
        let descriptor = self.descriptor()?;
        let mut ended = [PollFd::new(&descriptor, PollFlags::IN)];
        Ok(retry_on_intr(|| poll(&mut ended, Some(time)))? > 0)
    }

    /// Ends it in order, or after [`STOP_WITHIN`] at once.
    fn end(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        pidfd_send_signal(self.descriptor()?, Signal::TERM)?;
        self.ends_within(&STOP_WITHIN)?;
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        tell("ringway: the Ringway that was measured did not stop in time, and is killed");
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tell(format_args!("ringway: cannot stop the Ringway that was measured: {error}"));
        }
        // None, unless it was killed or died: its servers outlive it then, for the next one to find them.
        leftovers::kill(self.folder.path());
    }
}

/// The addresses for clients and for the operator, once both are in the log.
fn addresses(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    let address = |whom: &str| {
        // The last line may not be whole yet.
        let mut lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let line = lines.find(|line| line.contains(&format!("listening for {whom} ")))?;
        line.split_once("address=")?.1.split_whitespace().next()?.parse().ok()
    };
    Some((address("clients")?, address("the operator")?))
}

fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_whole_lines_only() {
        let log = "2026 INFO listening for clients address=127.0.0.1:35501\n\
                   2026 INFO listening for the operator address=127.0.0.1:40587\n2026 INFO starting";
        let found = addresses(log).map(|(http, admin)| (http.port(), admin.port()));
        assert_eq!(found, Some((35_501, 40_587)));
        let cut = &log[..log.find("587").unwrap()];
        assert_eq!(addresses(cut), None);
        assert_eq!(addresses(""), None);
    }
}
