//! The calls of the interface, on the world.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answer::{Answer, Content};
use super::container::State;
use super::world::World;

/// One call, without its version.
pub(super) struct Call {
    method: String,
    path: Vec<String>,
    query: BTreeMap<String, String>,
    version: Option<(u32, u32)>,
    body: Value,
}

impl Call {
    pub(super) fn read(method: &str, target: &str, body: Value) -> Result<Self, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut path: Vec<String> = path.split('/').skip(1).map(decode).collect();
        let version = path.first().and_then(|first| version(first.strip_prefix('v')?));
        if version.is_some() {
            path.remove(0);
        }
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        // An image's name has slashes of its own.
        if path.first().is_some_and(|first| first == "images")
            && path.last().is_some_and(|last| last == "json")
        {
            let name = path[1..path.len() - 1].join("/");
            path = vec!["images".to_owned(), name, "json".to_owned()];
        }
        Ok(Call { method: method.to_owned(), path, query, version, body })
    }

    /// Method and path.
    pub(super) fn line(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }

    pub(super) fn check_version(&self, (most, least): (&str, &str)) -> Result<(), String> {
        let Some(asked) = self.version else { return Ok(()) };
        let (most, least) = (version(most).unwrap(), version(least).unwrap());
        if asked > most {
            return Err(format!(
                "client version {asked:?} is too new. Maximum supported API version is {most:?}"
            ));
        }
        if asked < least {
            return Err(format!(
                "client version {asked:?} is too old. Minimum supported API version is {least:?}"
            ));
        }
        Ok(())
    }

    fn asked(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    fn filter(&self, name: &str) -> Vec<String> {
        let filters: Value = serde_json::from_str(self.asked("filters")).unwrap_or_default();
        let values = filters[name].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect()
    }

    pub(super) fn perform(&self, world: &mut World) -> Answer {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match (self.method.as_str(), &path[..]) {
            ("GET" | "HEAD", ["_ping"]) => Answer { status: 200, content: Content::Whole(Some("OK".into())) },
            ("GET", ["version"]) => {
                let (most, least) = world.versions;
                Answer::json(200, &json!({ "Version": "fake", "ApiVersion": most, "MinAPIVersion": least }))
            }
            ("GET", ["events"]) => {
                let stream = world.events.subscribe(self.filter("label"));
                Answer { status: 200, content: Content::Stream(stream) }
            }
            ("GET", ["containers", "json"]) => self.list(world),
            ("POST", ["containers", "create"]) => self.create(world),
            (_, ["containers", id, rest @ ..]) => self.on_container(world, id, rest),
            ("GET", ["images", name, "json"]) if world.images.contains(*name) => {
                Answer::json(200, &json!({ "Id": "sha256:00ff" }))
            }
            ("GET", ["images", name, "json"]) => Answer::refusal(404, &format!("No such image: {name}")),
            ("POST", ["images", "create"]) => self.pull(world),
            ("GET", ["networks"]) => self.networks(world),
            ("POST", ["networks", "create"]) => self.create_network(world),
            ("GET", ["networks", id]) => world.network(id),
            ("POST", ["networks", id, "connect"]) => world.connect(id, &self.body),
            ("POST", ["networks", id, "disconnect"]) => world.disconnect(id, &self.body),
            ("DELETE", ["networks", id]) => remove_network(world, id),
            _ => Answer::refusal(404, "page not found"),
        }
    }

    fn list(&self, world: &World) -> Answer {
        let (labels, all) = (self.filter("label"), self.asked("all") == "true");
        let is_meant = |container: &&super::container::Container| {
            (all || container.is_up()) && labels.iter().all(|label| container.has_label(label))
        };
        let found: Vec<Value> =
            world.containers.iter().filter(is_meant).map(|container| container.summary()).collect();
        Answer::json(200, &json!(found))
    }

    fn create(&self, world: &mut World) -> Answer {
        let name = self.asked("name");
        let image = self.body["Image"].as_str().unwrap_or_default();
        if !world.images.contains(image) {
            return Answer::refusal(404, &format!("No such image: {image}"));
        }
        if let Some(holder) = world.container(name) {
            let message = format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove \
                 (or rename) that container to be able to reuse that name.",
                holder.id
            );
            return Answer::refusal(409, &message);
        }
        let id = world.make(name, self.body.clone());
        Answer::json(201, &json!({ "Id": id, "Warnings": [] }))
    }

    fn on_container(&self, world: &mut World, id: &str, rest: &[&str]) -> Answer {
        let Some(container) = world.container(id) else {
            return Answer::refusal(404, &format!("No such container: {id}"));
        };
        let is_up = container.is_up();
        match (self.method.as_str(), rest) {
            ("GET", ["json"]) => Answer::json(200, &container.inspection()),
            ("GET", ["logs"]) => Answer { status: 200, content: logs(&container.log, self.asked("tail")) },
            ("POST", ["start"]) if is_up => Answer::empty(304),
            ("POST", ["start"]) => {
                world.start(id);
                Answer::empty(204)
            }
            ("POST", ["kill"]) if !is_up => {
                Answer::refusal(409, &format!("Cannot kill container: {id}: is not running"))
            }
            ("POST", ["kill"]) => {
                world.signal(id, self.asked("signal"));
                Answer::empty(204)
            }
            ("POST", ["unpause"]) if container.state != State::Paused => {
                Answer::refusal(409, &format!("Container {id} is not paused"))
            }
            ("POST", ["unpause"]) => {
                world.unpause(id);
                Answer::empty(204)
            }
            ("DELETE", []) if is_up && self.asked("force") != "true" => {
                Answer::refusal(409, "You cannot remove a running container")
            }
            ("DELETE", []) => {
                world.remove(id);
                Answer::empty(204)
            }
            _ => Answer::refusal(404, "page not found"),
        }
    }

    fn pull(&self, world: &mut World) -> Answer {
        let (name, tag) = (self.asked("fromImage"), self.asked("tag"));
        let (stream, pieces) = mpsc::unbounded_channel();
        let say = |value: Value| _ = stream.send(format!("{value}\r\n").into());
        if !world.registry.contains(name) {
            let message = format!("pull access denied for {name}, repository does not exist");
            return Answer::refusal(404, &message);
        }
        say(json!({ "status": format!("Pulling from {name}"), "id": tag }));
        say(json!({ "status": "Downloading", "progressDetail": { "current": 1, "total": 2 }, "id": "aa" }));
        world.images.insert(name.to_owned());
        Answer { status: 200, content: Content::Stream(pieces) }
    }

    fn networks(&self, world: &World) -> Answer {
        let (names, ids, labels) = (self.filter("name"), self.filter("id"), self.filter("label"));
        let has = |labels: &BTreeMap<String, String>, label: &String| {
            label
                .split_once('=')
                .is_some_and(|(name, value)| labels.get(name).is_some_and(|found| found == value))
        };
        let is_meant = |(id, name, found): &&(String, String, BTreeMap<String, String>)| {
            names.iter().all(|part| name.contains(part))
                && ids.iter().all(|part| id.contains(part))
                && labels.iter().all(|label| has(found, label))
        };
        let found: Vec<Value> = world
            .networks
            .iter()
            .filter(is_meant)
            .map(|(id, name, labels)| json!({ "Id": id, "Name": name, "Labels": labels, "Driver": "bridge" }))
            .collect();
        Answer::json(200, &json!(found))
    }

    fn create_network(&self, world: &mut World) -> Answer {
        let id = world.make_id();
        let labels = serde_json::from_value(self.body["Labels"].clone()).unwrap_or_default();
        let name = self.body["Name"].as_str().unwrap_or_default().to_owned();
        world.networks.push((id.clone(), name, labels));
        Answer::json(201, &json!({ "Id": id, "Warning": "" }))
    }
}

fn remove_network(world: &mut World, id: &str) -> Answer {
    if world.containers.iter().any(|container| container.is_on(id)) {
        return Answer::refusal(403, "error while removing network: it has active endpoints");
    }
    world.networks.retain(|(known, ..)| known != id);
    Answer::empty(204)
}

/// As engines frame the output of a container without a terminal: kind, three zeros, a length, and the bytes.
fn logs(lines: &[String], tail: &str) -> Content {
    let tail = tail.parse().unwrap_or(lines.len());
    let mut bytes = Vec::new();
    for line in lines.iter().skip(lines.len().saturating_sub(tail)) {
        let line = format!("{line}\n");
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(u32::try_from(line.len()).unwrap().to_be_bytes());
        bytes.extend(line.bytes());
    }
    Content::Whole(Some(bytes.into()))
}

fn version(written: &str) -> Option<(u32, u32)> {
    let (major, minor) = written.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Percent-decodes, with `+` for a space.
fn decode(written: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = written.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.unwrap_or(b'0'));
                let digits = std::str::from_utf8(&digits).unwrap_or("00");
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or(0));
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
