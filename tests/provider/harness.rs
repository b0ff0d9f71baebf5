//! A state directory, a provider on it, and what can be seen of processes from outside.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringway::base::supervision::Supervision;
use ringway::config::ProcessConfig;
use ringway::provider::process::{ProcessHost, ProcessPlan, ProcessProvider};
use ringway::provider::{Instance, InstanceId, ProviderEvent, Record};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::mpsc;

/// The program that the tests start as launcher and as replica.
pub(super) const RINGWAY: &str = env!("CARGO_BIN_EXE_ringway");
/// Much longer than anything here takes, for machines with much else to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run of Ringway on a state directory.
pub(super) struct Scene {
    pub(super) directory: PathBuf,
    pub(super) events: mpsc::UnboundedReceiver<ProviderEvent>,
    pub(super) host: ProcessHost,
    pids: Vec<u32>,
}

/// A replica as it was started or adopted.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) instance: Instance,
    pub(super) record: Record,
    pub(super) pid: u32,
}

/// An empty directory of this name.
pub(super) fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ringway-provider-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    folder
}

/// A shell script in this folder.
pub(super) fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("script");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

impl Scene {
    /// On an empty state directory.
    pub(super) fn new(name: &str) -> Self {
        Scene::on(&folder(name))
    }

    /// On what an earlier run left.
    pub(super) fn on(directory: &Path) -> Self {
        Scene::launched_by(directory, RINGWAY.into())
    }

    /// With another launcher.
    pub(super) fn launched_by(directory: &Path, launcher: PathBuf) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let host = ProcessHost::new(directory, Some(launcher), sender).unwrap();
        Scene { directory: directory.to_owned(), events, host, pids: Vec::new() }
    }

    pub(super) fn provider(&self, config: ProcessConfig) -> ProcessProvider {
        ProcessProvider::new(self.host.clone(), ProcessPlan::new("web", config))
    }

    pub(super) async fn event(&mut self) -> ProviderEvent {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("no event").unwrap()
    }

    /// Starts the instance with this number.
    pub(super) async fn start(&mut self, provider: &ProcessProvider, number: u64) -> Replica {
        let instance = instance(provider, number);
        provider.start(instance.clone());
        match self.event().await {
            ProviderEvent::Started { id, record, address } => {
                assert_eq!((id, address.port()), (instance.id, port(&instance)));
                self.running(instance, record)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Adopts an instance that runs.
    pub(super) async fn adopt(
        &mut self,
        provider: &ProcessProvider,
        instance: &Instance,
        record: Option<Record>,
    ) -> Replica {
        provider.adopt(instance.clone(), record);
        match self.event().await {
            ProviderEvent::Adopted { id, record, address } => {
                assert_eq!((id, address.port()), (instance.id, port(instance)));
                self.running(instance.clone(), record)
            }
            other => panic!("{other:?}"),
        }
    }

    fn running(&mut self, instance: Instance, record: Record) -> Replica {
        let Record::Process { pid, .. } = record else { panic!("no process: {record:?}") };
        self.pids.push(pid);
        Replica { instance, record, pid }
    }

    /// The end of this instance, which comes next.
    pub(super) async fn ended(&mut self, instance: &Instance) -> (String, Vec<String>) {
        match self.event().await {
            ProviderEvent::Ended { id, reason, log_tail } => {
                assert_eq!(id, instance.id);
                (reason, log_tail)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(format!("logs/web/{name}.log"))).unwrap_or_default()
    }
}

impl Drop for Scene {
    /// Replicas outlive their provider, and the tests should not leave any.
    fn drop(&mut self) {
        for &pid in &self.pids {
            if nonce_of(pid).is_some() {
                let _ = kill_process_group(Pid::from_raw(pid as i32).unwrap(), Signal::KILL);
            }
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

pub(super) fn instance(provider: &ProcessProvider, number: u64) -> Instance {
    Instance {
        id: InstanceId(number),
        service: "web".into(),
        name: format!("Server-{number}").parse().unwrap(),
        intent: provider.prepare().unwrap(),
    }
}

/// The port that an instance's intent gives it.
pub(super) fn port(instance: &Instance) -> u16 {
    instance.intent.port().unwrap()
}

pub(super) fn config(command: &[&str]) -> ProcessConfig {
    ProcessConfig {
        count: 1,
        command: command.iter().map(|argument| argument.parse().unwrap()).collect(),
        environment: Box::default(),
        directory: None,
        user: None,
        ports: None,
        supervision: Supervision::default(),
    }
}

/// A real server, which answers with its name.
pub(super) fn echo() -> ProcessConfig {
    config(&[RINGWAY, "worker", "echo", "--listen", "127.0.0.1:{port}", "--id", "{name}"])
}

pub(super) fn shell(script: &str) -> ProcessConfig {
    config(&["/bin/sh", "-c", script])
}

/// What a replica answers, once it listens.
pub(super) async fn greeting(port: u16) -> String {
    let mut client = eventually(async || TcpStream::connect(("127.0.0.1", port)).ok()).await;
    client.write_all(b"GET /home HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

/// For what nothing reports: asks until there is an answer.
pub(super) async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it never came true")
}

pub(super) async fn until(mut is_true: impl FnMut() -> bool) {
    eventually(async || is_true().then_some(())).await;
}

/// State, process group and session; `None` if there is no such process, or only its zombie.
pub(super) fn stat(pid: u32) -> Option<(String, u32, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    (fields[0] != "Z").then(|| (fields[0].to_owned(), fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

/// Whether the process is this program by now.
pub(super) fn runs(pid: u32, program: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == program)
}

pub(super) fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let text = String::from_utf8_lossy(&environment).into_owned();
    text.split('\0').find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

fn nonce_of(pid: u32) -> Option<String> {
    variable(pid, "RINGWAY_NONCE")
}

/// All processes that hold a nonce and have not ended.
pub(super) fn holders(nonce: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| stat(pid).is_some() && nonce_of(pid).as_deref() == Some(nonce)).collect()
}

/// The line of `/proc/PID/status` that begins so.
pub(super) fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap().trim().to_owned()
}
