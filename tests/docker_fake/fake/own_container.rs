//! The container that the program itself runs in: its networks, and the names that it can resolve on them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::answer::Answer;
use super::container::State;
use super::world::World;

/// See the module.
pub(super) struct OwnContainer {
    id: String,
    /// What the program sees as `/etc/hosts`: the engine's name service.
    hosts: PathBuf,
    /// The priority of the gateway of the network that it was put on last.
    gateway_priority: Option<i64>,
    /// Whether an address that it gets on a network is none of this machine's.
    is_elsewhere: bool,
}

impl World {
    /// Makes the container, on a network of this name. Its id names a folder within `folder`, as engines have one, of which
    /// the path is returned: the file `hosts` is in it.
    pub(crate) fn plant_own(&mut self, folder: &Path, network: &str) -> PathBuf {
        let id = self.make("edge", json!({ "HostConfig": { "NetworkMode": network } }));
        self.container(&id).unwrap().state = State::Running;
        let folder = folder.join(&id);
        fs::create_dir_all(&folder).unwrap();
        let hosts = folder.join("hosts");
        self.own = Some(OwnContainer { id, hosts, gateway_priority: None, is_elsewhere: false });
        self.tell_names();
        folder
    }

    /// From now on the networks that it is put on are not networks of this machine: it is somebody else's container.
    pub(crate) fn mistake_own(&mut self) {
        self.own.as_mut().unwrap().is_elsewhere = true;
    }

    /// It is a container of another engine, which this one does not know.
    pub(crate) fn forget_own(&mut self) {
        let OwnContainer { id, .. } = self.own.take().unwrap();
        self.containers.retain(|container| container.id != id);
    }

    pub(crate) fn own_id(&self) -> String {
        self.own.as_ref().unwrap().id.clone()
    }

    pub(crate) fn gateway_priority(&self) -> Option<i64> {
        self.own.as_ref().unwrap().gateway_priority
    }

    /// Somebody takes it off all networks.
    pub(crate) fn leave_all(&mut self) {
        let id = self.own_id();
        self.container(&id).unwrap().joined.clear();
        self.tell_names();
    }

    /// The names of the networks that it was put on and not taken off.
    pub(crate) fn joined(&mut self) -> Vec<String> {
        let id = self.own_id();
        let joined = self.container(&id).unwrap().joined.clone();
        self.networks.iter().filter(|(id, ..)| joined.contains(id)).map(|(_, name, _)| name.clone()).collect()
    }

    /// Writes the names of all that are on a network with it.
    pub(super) fn tell_names(&self) {
        let Some(OwnContainer { id, hosts, .. }) = &self.own else { return };
        let own = self.containers.iter().find(|container| container.id == *id).unwrap();
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for container in &self.containers {
            for network in &own.joined {
                let aliases = &container.body["NetworkingConfig"]["EndpointsConfig"][network]["Aliases"];
                for alias in aliases.as_array().into_iter().flatten() {
                    writeln!(text, "{} {}", container.address.ip(), alias.as_str().unwrap()).unwrap();
                }
            }
        }
        fs::write(hosts, text).unwrap();
    }

    pub(super) fn connect(&mut self, network: &str, body: &Value) -> Answer {
        let id = body["Container"].as_str().unwrap_or_default();
        let priority = body["EndpointConfig"]["GwPriority"].as_i64();
        self.own.iter_mut().for_each(|own| own.gateway_priority = priority);
        let is_elsewhere = self.own.as_ref().is_some_and(|own| own.is_elsewhere);
        let Some(container) = self.container(id) else {
            return Answer::refusal(404, &format!("No such container: {id}"));
        };
        if container.is_on(network) {
            let message = format!("endpoint with name {} already exists in network", container.name);
            return Answer::refusal(403, &message);
        }
        container.joined.push(network.to_owned());
        if is_elsewhere {
            container.address.set_ip([192, 0, 2, 7].into());
        }
        self.tell_names();
        Answer::empty(200)
    }

    pub(super) fn disconnect(&mut self, network: &str, body: &Value) -> Answer {
        let id = body["Container"].as_str().unwrap_or_default();
        match self.container(id) {
            Some(container) if container.is_on(network) => {
                container.joined.retain(|joined| joined != network);
                self.tell_names();
                Answer::empty(200)
            }
            Some(_) => Answer::refusal(500, &format!("container {id} is not connected to network {network}")),
            None => Answer::refusal(404, &format!("No such container: {id}")),
        }
    }

    pub(super) fn network(&self, id: &str) -> Answer {
        let Some((id, name, labels)) = self.networks.iter().find(|(known, ..)| known == id) else {
            return Answer::refusal(404, &format!("network {id} not found"));
        };
        let on = self.containers.iter().filter(|container| container.is_on(id));
        let on: serde_json::Map<String, Value> =
            on.map(|container| (container.id.clone(), json!({ "Name": container.name }))).collect();
        Answer::json(200, &json!({ "Id": id, "Name": name, "Labels": labels, "Containers": on }))
    }
}
