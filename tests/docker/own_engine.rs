//! An engine of a test's own, to be stopped, killed and frozen without harm to anybody else.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::docker::Docker;
use crate::harness::clock::poll;
use crate::harness::engines::skip;

/// A network of each such engine. Not Ringway's own: engines that choose subnets at one time may choose the same, and an
/// engine that is given some to choose from removes `docker0`, whosever that is, when it is started again.
pub(crate) const NETWORK: &str = "apart";

/// An engine. It ends with its value, and with it all that it ran.
#[derive(Debug)]
pub(crate) struct OwnEngine {
    pub(crate) docker: Docker,
    process: Option<Child>,
    /// Whether its containers go on without it.
    live_restore: bool,
    /// What holds the containers, apart from the engine as on servers: it and they outlive an engine that is killed.
    containerd: Child,
    bridge: Bridge,
    /// Below the system's folder for such, since the paths of sockets are short.
    folder: TempDir,
}

impl OwnEngine {
    /// Starts one, with the image; says why not where that cannot be.
    ///
    /// # Panics
    /// Where it cannot be, when no test may be skipped.
    pub(crate) fn start(live_restore: bool) -> Option<OwnEngine> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if let Some(reason) = refusal() {
            skip("an engine that may be ended", &reason);
            return None;
        }
        let folder = TempDir::with_prefix("ringway-engine-").expect("a folder");
        let docker = Docker { host: format!("unix://{}", folder.path().join("docker.sock").display()) };
        // Tells its addresses from those of others.
        let number = id() % 64 * 4 + COUNT.fetch_add(1, Ordering::Relaxed) % 4;
        let bridge = Bridge::new(number);
        let containerd = containerd(folder.path());
        let mut engine = OwnEngine { docker, process: None, live_restore, containerd, bridge, folder };
        engine.come_up();
        engine.docker.make_image();
        let subnet = format!("10.213.{number}.0/28");
        engine.docker.run(&["network", "create", "--subnet", &subnet, NETWORK]);
        Some(engine)
    }

    /// Starts its process and waits until it answers.
    pub(crate) fn come_up(&mut self) {
        self.spawn();
        poll("the engine to answer", || self.docker.attempt(&["version"]).ok());
    }

    /// Its firewall and its bridge stay away from those of the machine's engine.
    fn spawn(&mut self) {
        let path = |name: &str| self.folder.path().join(name);
        let child = Command::new("dockerd")
            .args(["--host", &self.docker.host, "--log-level", "warn"])
            .args(["--bridge", &self.bridge.0, "--iptables=false", "--ip-forward=false", "--ip-masq=false"])
            .arg("--containerd")
            .arg(path("containerd.sock"))
            .arg(format!("--live-restore={}", self.live_restore))
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_in(self.folder.path()))
            .spawn();
        self.process = Some(child.expect("an engine"));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("an engine");
        kill_process(Pid::from_child(process), signal).expect("the engine is there");
    }

    /// Waits until its process has ended.
    pub(crate) fn await_end(&mut self) {
        self.process.take().expect("an engine").wait().expect("a child");
    }

    fn sweep(&mut self) {
        if self.process.is_none() {
            // What a killed engine left running, only an engine can end.
            self.spawn();
        } else {
            self.signal(Signal::CONT);
        }
        poll("the engine to answer", || self.docker.attempt(&["version"]).ok());
        let containers = self.docker.lines(&["ps", "--all", "--quiet"]);
        if !containers.is_empty() {
            let ids: Vec<&str> = containers.iter().map(String::as_str).collect();
            self.docker.run(&[&["rm", "--force"][..], &ids].concat());
        }
        // Their bridges are the machine's.
        self.docker.run(&["network", "prune", "--force"]);
        self.signal(Signal::TERM);
        self.await_end();
        kill_process(Pid::from_child(&self.containerd), Signal::TERM).expect("it is there");
        self.containerd.wait().expect("a child");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let folder = self.folder.path().display().to_string();
        let paths = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for path in paths.filter(|path| path.starts_with(&folder)) {
            let _ = Command::new("umount").args(["--lazy", path]).status();
        }
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let swept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.sweep()));
        for child in self.process.iter_mut().chain([&mut self.containerd]) {
            // They have ended already, unless the sweep broke off.
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        if swept.is_err() || std::thread::panicking() {
            println!("the engine wrote:\n{log}");
        }
    }
}

/// The bridge of an engine's default network. An engine that is told to have none removes `docker0`, too.
#[derive(Debug)]
struct Bridge(String);

impl Bridge {
    fn new(number: u32) -> Bridge {
        let bridge = Bridge(format!("rw-{}-{number}", id()));
        ip(&["link", "add", &bridge.0, "type", "bridge"]).expect("a bridge");
        ip(&["address", "add", &format!("10.213.{number}.129/28"), "dev", &bridge.0]).expect("an address");
        bridge
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = ip(&["link", "delete", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let status = Command::new("ip").args(arguments).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("ip {arguments:?}: {status}")) }
}

/// Its interfaces are those that an engine needs: the others would open ports.
fn containerd(folder: &Path) -> Child {
    let path = |name: &str| folder.join(name);
    let config = format!(
        "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{}\"\n",
        path("opt").display()
    );
    fs::write(path("containerd.toml"), config).expect("a file");
    let mut command = Command::new("containerd");
    for (option, name) in [
        ("--config", "containerd.toml"),
        ("--address", "containerd.sock"),
        ("--root", "containerd"),
        ("--state", "tasks"),
    ] {
        command.arg(option).arg(path(name));
    }
    let child = command.args(["--log-level", "error"]).stdin(Stdio::null()).stdout(Stdio::null());
    let child = child.stderr(log_in(folder)).spawn().expect("what holds containers");
    poll("what holds containers", || path("containerd.sock").exists().then_some(()));
    child
}

/// Both write to one file, which a failed test shows.
fn log_in(folder: &Path) -> File {
    File::options().create(true).append(true).open(folder.join("log")).expect("a log")
}

/// Why there can be no such engine here.
fn refusal() -> Option<String> {
    if !geteuid().is_root() {
        return Some("only root can start one".to_owned());
    }
    let is_missing = |program: &&str| {
        let found =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_err()
    };
    let missing = ["dockerd", "containerd", "ip"].into_iter().find(is_missing)?;
    Some(format!("there is no {missing}"))
}
