//! What the engine knows, and what is wrong with it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::container::{Container, State};
use super::events::Events;
use super::own_container::OwnContainer;

/// The engine's thread shares it among its connections.
#[derive(Default)]
pub(super) struct Engine {
    pub(super) world: RefCell<World>,
}

/// What happens to a call instead of, or beside, what it asks for.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is answered with this status and these words.
    Status(u16, &'static str),
    /// It is done, and the answer takes its time.
    Slow(Duration),
    /// It is done, and the connection ends without an answer.
    Cut,
    /// It is never answered.
    Hang,
    /// It is answered with more than anybody wants to read.
    Endless,
    /// It is answered with what is no answer.
    Nonsense,
}

/// All that there is.
pub(crate) struct World {
    /// The versions of the interface that it speaks, at most and at least.
    pub(crate) versions: (&'static str, &'static str),
    pub(crate) containers: Vec<Container>,
    /// Ids by name, in pairs since names may be there twice: (id, name, labels).
    pub(crate) networks: Vec<(String, String, BTreeMap<String, String>)>,
    /// Those that are there, and those that can be fetched.
    pub(crate) images: BTreeSet<String>,
    pub(crate) registry: BTreeSet<String>,
    pub(crate) events: Events,
    /// For calls of which the line (`POST /containers/create`) begins so, as often as it says.
    pub(crate) faults: Vec<(&'static str, u32, Fault)>,
    /// The lines of all calls so far.
    pub(crate) calls: Vec<String>,
    /// Starts under way, and the most there were.
    pub(crate) starting: usize,
    pub(crate) starting_max: usize,
    /// The container that the program runs in.
    pub(super) own: Option<OwnContainer>,
    made: u64,
    addresses: [u8; 2],
}

impl Default for World {
    fn default() -> Self {
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let process = (std::process::id() % 250) as u8 + 1;
        let images = ["worker", "worker:deaf", "worker:crash", "worker:stubborn"];
        World {
            versions: ("1.41", "1.12"),
            containers: Vec::new(),
            networks: vec![("b".repeat(64), "bridge".to_owned(), BTreeMap::new())],
            images: images.map(String::from).into(),
            registry: BTreeSet::new(),
            events: Events::default(),
            faults: Vec::new(),
            calls: Vec::new(),
            starting: 0,
            starting_max: 0,
            own: None,
            made: 0,
            addresses: [process, COUNT.fetch_add(1, Ordering::Relaxed)],
        }
    }
}

impl World {
    /// The containers of a replica that run.
    pub(crate) fn running(&self, replica: &str) -> Vec<String> {
        let runs = |container: &&Container| container.is_up() && container.replica() == replica;
        self.containers.iter().filter(runs).map(|container| container.id.clone()).collect()
    }

    /// The one container of a replica that runs.
    pub(crate) fn only(&self, replica: &str) -> String {
        let running = self.running(replica);
        assert_eq!(running.len(), 1, "containers of {replica}: {running:?}");
        running[0].clone()
    }

    /// The replicas that run, sorted, each as often as it does.
    pub(crate) fn replicas(&self) -> Vec<String> {
        let running = self.containers.iter().filter(|container| container.is_up());
        let mut replicas: Vec<String> = running.map(|container| container.replica().to_owned()).collect();
        replicas.sort();
        replicas
    }

    /// How many calls so far had a line that begins so.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.calls.iter().filter(|call| call.starts_with(line)).count()
    }

    pub(crate) fn container(&mut self, id: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|container| container.id == id || container.name == id)
    }

    /// The fault that a call meets.
    pub(super) fn fault(&mut self, line: &str) -> Option<Fault> {
        let found = self.faults.iter_mut().find(|(begins, left, _)| *left > 0 && line.starts_with(begins))?;
        found.1 -= 1;
        Some(found.2.clone())
    }

    /// A number that looks like an id.
    pub(crate) fn make_id(&mut self) -> String {
        self.made += 1;
        // Ids differ in their first digits, which are what is shown.
        let scattered = self.made.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{scattered:016x}{:048x}", self.made)
    }

    /// Makes a container of somebody else's, or one that Ringway forgot; it runs and listens nowhere.
    pub(crate) fn plant(&mut self, name: &str, labels: &[(&str, &str)]) -> String {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let id = self.make(name, json!({ "Image": "worker:deaf", "Labels": labels }));
        self.container(&id).unwrap().state = State::Running;
        id
    }

    pub(super) fn make(&mut self, name: &str, body: Value) -> String {
        let id = self.make_id();
        let labels = serde_json::from_value(body["Labels"].clone()).unwrap_or_default();
        let port = body["Env"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|variable| variable.as_str()?.strip_prefix("RINGWAY_PORT=")?.parse::<u16>().ok());
        self.containers.push(Container {
            id: id.clone(),
            name: name.to_owned(),
            image: body["Image"].as_str().unwrap_or_default().to_owned(),
            labels,
            state: State::Created,
            body,
            exit_code: 0,
            out_of_memory: false,
            log: Vec::new(),
            is_dying: false,
            address: SocketAddr::from((self.free_address(), port.unwrap_or(1))),
            joined: Vec::new(),
            paused: watch::Sender::new(false),
            server: None,
        });
        self.tell(&id, "create", json!({}));
        self.tell_names();
        id
    }

    /// The lowest that no container has: engines give the addresses of removed containers to new ones.
    fn free_address(&self) -> Ipv4Addr {
        let [second, third] = self.addresses;
        (1..=254)
            .map(|last| Ipv4Addr::new(127, second, third, last))
            .find(|address| self.containers.iter().all(|container| container.address.ip() != *address))
            .expect("a free address")
    }

    pub(super) fn start(&mut self, id: &str) {
        let Some(container) = self.container(id) else { return };
        container.state = State::Running;
        match container.image.as_str() {
            "worker:deaf" => {}
            "worker:crash" => {
                container.log = (1..=30).map(|line| format!("line {line}")).collect();
                container.log.push("no luck today".to_owned());
            }
            _ => container.serve(),
        }
        let crashes = container.image == "worker:crash";
        self.tell(id, "start", json!({}));
        if crashes {
            self.die(id, 3);
        }
    }

    pub(super) fn signal(&mut self, id: &str, signal: &str) {
        let Some(container) = self.container(id) else { return };
        match (signal, container.state, container.image.as_str()) {
            ("SIGKILL", State::Paused, _) => container.is_dying = true,
            ("SIGKILL", ..) => self.die(id, 137),
            (_, State::Paused, _) | (_, _, "worker:stubborn") => {}
            _ => self.die(id, 0),
        }
    }

    /// Freezes a container: it accepts connections and is silent.
    pub(crate) fn pause(&mut self, id: &str) {
        let container = self.container(id).unwrap();
        container.state = State::Paused;
        container.paused.send_replace(true);
        self.tell(id, "pause", json!({}));
    }

    pub(super) fn unpause(&mut self, id: &str) {
        let Some(container) = self.container(id) else { return };
        container.state = State::Running;
        container.paused.send_replace(false);
        let is_dying = container.is_dying;
        self.tell(id, "unpause", json!({}));
        if is_dying {
            self.die(id, 137);
        }
    }

    /// Ends a container's process.
    pub(crate) fn die(&mut self, id: &str, code: i64) {
        let Some(container) = self.container(id) else { return };
        container.silence();
        container.state = State::Exited;
        container.exit_code = code;
        self.tell(id, "health_status: unhealthy", json!({}));
        self.tell(id, "die", json!({ "exitCode": code.to_string() }));
    }

    /// The kernel ends a container's process for want of memory.
    pub(crate) fn exhaust(&mut self, id: &str) {
        self.container(id).unwrap().out_of_memory = true;
        self.tell(id, "oom", json!({}));
        self.die(id, 137);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if self.container(id).is_some_and(|container| container.is_up()) {
            self.die(id, 137);
        }
        self.tell(id, "destroy", json!({}));
        self.containers.retain(|container| container.id != id && container.name != id);
    }

    pub(super) fn tell(&mut self, id: &str, action: &str, attributes: Value) {
        let World { containers, events, .. } = self;
        if let Some(container) =
            containers.iter().find(|container| container.id == id || container.name == id)
        {
            events.tell(container, action, attributes);
        }
    }
}

/// Counts a start while it is under way.
pub(super) struct Starting(Rc<Engine>);

impl Starting {
    pub(super) fn begin(engine: &Rc<Engine>) -> Self {
        let mut world = engine.world.borrow_mut();
        world.starting += 1;
        world.starting_max = world.starting_max.max(world.starting);
        drop(world);
        Starting(engine.clone())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.world.borrow_mut().starting -= 1;
    }
}
