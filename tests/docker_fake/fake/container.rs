//! A container: its state, and the server in it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, spawn_local};

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Running,
    Paused,
    Exited,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Running => "running",
            State::Paused => "paused",
            State::Exited => "exited",
        }
    }
}

/// One container.
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) state: State,
    /// What it was made with.
    pub(crate) body: Value,
    pub(crate) exit_code: i64,
    pub(crate) out_of_memory: bool,
    pub(crate) log: Vec<String>,
    /// A kill that comes into effect when it is thawed.
    pub(super) is_dying: bool,
    pub(super) address: SocketAddr,
    /// The networks that it was put on after it was made.
    pub(crate) joined: Vec<String>,
    pub(super) paused: watch::Sender<bool>,
    pub(super) server: Option<JoinHandle<()>>,
}

impl Container {
    pub(super) fn has_label(&self, label: &str) -> bool {
        match label.split_once('=') {
            Some((name, value)) => self.labels.get(name).is_some_and(|found| found == value),
            None => self.labels.contains_key(label),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    /// The replica whose container it is.
    pub(crate) fn replica(&self) -> &str {
        self.labels.get("ringway.replica").map_or("", String::as_str)
    }

    /// The network that it was made on.
    fn network(&self) -> &str {
        self.body["HostConfig"]["NetworkMode"].as_str().unwrap_or("bridge")
    }

    /// Whether it is on the network with this id.
    pub(super) fn is_on(&self, network: &str) -> bool {
        self.is_up() && (self.network() == network || self.joined.iter().any(|joined| joined == network))
    }

    /// Each is called by its id, but for those that every engine has.
    fn networks(&self) -> Value {
        let address = if self.is_up() { self.address.ip().to_string() } else { String::new() };
        let mut networks = match self.network() {
            machines @ ("host" | "none") => {
                json!({ machines: { "NetworkID": "c".repeat(64), "IPAddress": "" } })
            }
            _ => json!({ "bridge": { "NetworkID": "b".repeat(64), "IPAddress": "127.0.0.254" } }),
        };
        let own = Some(self.network()).filter(|name| name.len() == 64);
        for id in own.into_iter().chain(self.joined.iter().map(String::as_str)) {
            networks[id] = json!({ "NetworkID": id, "IPAddress": address });
        }
        networks
    }

    pub(super) fn summary(&self) -> Value {
        json!({
            "Id": self.id, "Names": [format!("/{}", self.name)], "Image": self.image, "Labels": self.labels,
            "State": self.state.word(), "Status": "up or not", "Created": 1,
        })
    }

    pub(super) fn inspection(&self) -> Value {
        json!({
            "Id": self.id, "Name": format!("/{}", self.name), "Created": "2026-01-01T00:00:00Z",
            "State": {
                "Status": self.state.word(), "Running": self.is_up(), "Paused": self.state == State::Paused,
                "OOMKilled": self.out_of_memory, "ExitCode": self.exit_code, "Error": "", "Pid": 1,
            },
            "Config": { "Image": self.image, "Labels": self.labels },
            "HostConfig": { "NetworkMode": self.network() },
            "NetworkSettings": { "Networks": self.networks() },
        })
    }

    /// Starts the server, which answers as system A's do. A port that is in use is somebody else's of this machine.
    pub(super) fn serve(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(1024).unwrap();
        let (name, paused) = (Rc::new(self.replica().to_owned()), self.paused.subscribe());
        self.server = Some(spawn_local(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (name, paused) = (name.clone(), paused.clone());
                connections.spawn_local(async move {
                    let service = service_fn(|request| greet(request, name.clone(), paused.clone()));
                    let server = hyper::server::conn::http1::Builder::new();
                    // Clients leave as they like.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        }));
    }

    /// Ends the server and all its connections.
    pub(super) fn silence(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.silence();
    }
}

async fn greet(
    request: Request<Incoming>,
    name: Rc<String>,
    mut paused: watch::Receiver<bool>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = paused.wait_for(|paused| !paused).await;
    let text = match request.uri().path() {
        "/heartbeat" => String::new(),
        _ => json!({ "message": format!("Hello from Server: {name}"), "status": "successful" }).to_string(),
    };
    Ok(Response::new(Full::new(Bytes::from(text))))
}
