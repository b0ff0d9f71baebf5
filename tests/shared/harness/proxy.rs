//! The program as a child process: its configuration, its log, its metrics, its end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crossbeam::channel::{Receiver, unbounded};
use rustix::process::{Pid, Signal, kill_process};

use super::client::{Answer, Client};
use super::clock::{PATIENCE, Stopwatch, poll};
use super::engines::Engine;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ringway");

/// A folder of this test's own, removed with its value.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file for the test");
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child process whose standard error is read as it comes. It is killed with its value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

/// A process that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// What it still had to say.
    pub(crate) log: String,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Process {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = unbounded();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Shown with a test that fails.
                println!("{line}");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { child, lines }
    }

    /// The next line that holds `part`, or all that was said by a process that ended without saying it.
    pub(crate) fn line(&self, part: &str) -> Result<String, String> {
        let watch = Stopwatch::start();
        let mut said = String::new();
        loop {
            let left = PATIENCE.saturating_sub(watch.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(part) => return Ok(line),
                Ok(line) => said = said + &line + "\n",
                Err(error) if error.is_disconnected() => return Err(said),
                Err(_) => panic!("awaited for {PATIENCE:?} in the log: {part:?}; it said:\n{said}"),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended. The log's end is the event: only the process holds it open.
    pub(crate) fn wait(mut self) -> Ended {
        let watch = Stopwatch::start();
        let mut log = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(watch.elapsed())) {
                Ok(line) => log = log + &line + "\n",
                Err(error) if error.is_disconnected() => break,
                Err(_) => panic!("awaited for {PATIENCE:?}: the end of the process; it said:\n{log}"),
            }
        }
        Ended { status: self.child.wait().expect("a child"), log }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program on its way: it serves, or has said why not.
#[derive(Debug)]
pub(crate) struct Attempt {
    process: Process,
    engine: Engine,
    folder: Folder,
}

impl Attempt {
    /// Starts the program on ports of its own; `rest` is the configuration after `[listen]` and `[admin]`.
    pub(crate) fn start(engine: Engine, cores: usize, rest: &str) -> Attempt {
        let head = format!(
            "engine = \"{}\"\ncores = {cores}\n[listen]\nhttp = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
            engine.0
        );
        Attempt::with_file(engine, &(head + rest))
    }

    /// Starts the program on a whole configuration.
    pub(crate) fn with_file(engine: Engine, text: &str) -> Attempt {
        let folder = Folder::new();
        let file = folder.write("ringway.toml", text);
        let process = Process::spawn(Command::new(PROGRAM).arg("run").arg("-c").arg(file));
        Attempt { process, engine, folder }
    }

    /// Waits until it is ready, or has ended instead.
    pub(crate) fn outcome(self) -> Result<Proxy, Ended> {
        let (http, admin) =
            match (self.address("listening for clients"), self.address("listening for the operator")) {
                (Ok(http), Ok(admin)) => (http, admin),
                (Err(said), _) | (_, Err(said)) => {
                    let ended = self.process.wait();
                    return Err(Ended { log: said + &ended.log, ..ended });
                }
            };
        let proxy = Proxy { process: self.process, http, admin, _folder: self.folder };
        let status = proxy.operator("/status").text();
        let expected = format!("\"engine\":\"{}\"", self.engine.0);
        assert!(status.contains(&expected), "{expected} was asked for: {status}");
        poll("/readyz to answer 200", || (proxy.operator("/readyz").status == 200).then_some(()));
        Ok(proxy)
    }

    fn address(&self, line: &str) -> Result<SocketAddr, String> {
        let line = self.process.line(line)?;
        let written = line.rsplit("address=").next().unwrap_or_default();
        Ok(written.trim().parse().unwrap_or_else(|_| panic!("no address in the log line: {line}")))
    }
}

/// The program, serving.
#[derive(Debug)]
pub(crate) struct Proxy {
    process: Process,
    /// Where clients are served.
    pub(crate) http: SocketAddr,
    admin: SocketAddr,
    _folder: Folder,
}

impl Proxy {
    /// See [`Attempt::start`].
    ///
    /// # Panics
    /// When the program does not serve.
    pub(crate) fn start(engine: Engine, cores: usize, rest: &str) -> Proxy {
        let outcome = Attempt::start(engine, cores, rest).outcome();
        outcome.unwrap_or_else(|ended| panic!("the program ended with {}:\n{}", ended.status, ended.log))
    }

    /// A client's connection to it.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.http)
    }

    /// What one request on a connection of its own is answered with.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut client = self.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
        client.answer()
    }

    /// What the operator is answered.
    pub(crate) fn operator(&self, path: &str) -> Answer {
        let mut client = Client::connect(self.admin);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n"));
        client.answer()
    }

    /// The counters as they are now.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics(self.operator("/metrics").text())
    }

    /// Waits until a replica is, or is not, to be picked.
    pub(crate) fn await_replica(&self, name: &str, up: bool) {
        let end = format!("replica=\"{name}\"}} {}", u8::from(up));
        let says = |line: &str| line.starts_with("ringway_replica_up{") && line.ends_with(&end);
        poll(&format!("metrics to say that {end}"), || self.metrics().0.lines().any(says).then_some(()));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The most memory that it ever held, in bytes.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") * 1024
    }

    /// The memory that it holds and that is no file's, in bytes.
    pub(crate) fn anonymous_memory(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.process.id());
        let sums = fs::read_to_string(path).expect("its memory");
        let line = sums.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a sum");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") * 1024
    }

    /// Waits until it has ended.
    pub(crate) fn wait(self) -> Ended {
        self.process.wait()
    }
}

/// The text of /metrics.
#[derive(Debug)]
pub(crate) struct Metrics(String);

impl Metrics {
    /// The value of a line, named as it stands there without its prefix: `retries_total`, `timeouts_total{phase="queue"}`.
    pub(crate) fn of(&self, name: &str) -> u64 {
        let line = format!("ringway_{name} ");
        let found = self.0.lines().find_map(|candidate| candidate.strip_prefix(&line));
        let found = found.unwrap_or_else(|| panic!("no {name} in the metrics:\n{}", self.0));
        found.parse().unwrap_or_else(|_| panic!("{name} is {found}"))
    }

    /// The sum over all deadlines that passed.
    pub(crate) fn timeouts(&self) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with("ringway_timeouts_total{"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}
