//! What the containers of a service are.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig};

use super::label;
use super::owner::Owner;
use crate::base::command_template::CommandTemplate;
use crate::base::supervision::StopSignal;
use crate::config::{DockerConfig, PullPolicy};
use crate::provider::Instance;

/// How the containers of one service are made.
#[derive(Clone, Debug)]
pub struct DockerPlan {
    service: Box<str>,
    config: DockerConfig,
}

impl DockerPlan {
    /// The plan of the service with this name.
    pub fn new(service: &str, config: DockerConfig) -> Self {
        DockerPlan { service: service.into(), config }
    }

    /// The service.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// What the configuration says.
    pub(super) fn config(&self) -> &DockerConfig {
        &self.config
    }

    pub(super) fn pull(&self) -> PullPolicy {
        self.config.pull
    }

    /// The name of the network: that of the configuration, or that of Ringway's own.
    pub(super) fn network(&self, owner: &Owner) -> String {
        match &self.config.network {
            Some(name) => name.to_string(),
            None => label::network_name(owner, &self.service),
        }
    }

    /// The signal that asks a container to stop, as engines write it.
    pub(super) fn stop_signal(&self) -> &'static str {
        match self.config.supervision.stop_signal {
            StopSignal::Int => "SIGINT",
            StopSignal::Term => "SIGTERM",
            StopSignal::Quit => "SIGQUIT",
            StopSignal::Hup => "SIGHUP",
            StopSignal::Usr1 => "SIGUSR1",
            StopSignal::Usr2 => "SIGUSR2",
        }
    }

    /// What the engine is asked to make of an instance, on the network with this id. The only place that reads templates.
    pub(super) fn body(&self, owner: &Owner, instance: &Instance, network: &str) -> ContainerCreateBody {
        let DockerConfig { image, port, command, environment, user, .. } = &self.config;
        let name = instance.name.as_str();
        // There is no program of ours in the container, and the configuration names none.
        let expand = |template: &CommandTemplate| template.expand(*port, name, "");
        let mut variables: Vec<String> =
            environment.iter().map(|(key, value)| format!("{key}={}", expand(value))).collect();
        variables.push(format!("RINGWAY_SERVICE={}", self.service));
        variables.push(format!("RINGWAY_REPLICA={name}"));
        variables.push(format!("RINGWAY_PORT={port}"));
        let mut labels = string_map(&self.config.labels);
        labels.extend(label::of_instance(owner, instance));
        ContainerCreateBody {
            image: Some(image.to_string()),
            hostname: Some(name.to_owned()),
            cmd: (!command.is_empty()).then(|| command.iter().map(expand).collect()),
            env: Some(variables),
            user: user.as_ref().map(ToString::to_string),
            labels: Some(labels),
            stop_signal: Some(self.stop_signal().to_owned()),
            host_config: Some(self.host_config(network, expand)),
            networking_config: Some(self.networking(instance, network)),
            ..ContainerCreateBody::default()
        }
    }

    /// No restart policy: the engine would start again what Ringway has given up.
    fn host_config(&self, network: &str, expand: impl Fn(&CommandTemplate) -> String) -> HostConfig {
        let DockerConfig { memory, cpu_thousandths, read_only, volumes, .. } = &self.config;
        HostConfig {
            network_mode: Some(network.to_owned()),
            memory: memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            nano_cpus: cpu_thousandths.map(|thousandths| i64::from(thousandths) * 1_000_000),
            readonly_rootfs: read_only.then_some(true),
            binds: (!volumes.is_empty()).then(|| volumes.iter().map(expand).collect()),
            ..HostConfig::default()
        }
    }

    /// On a network of Ringway's own a container has its replica's name, too; on another that may be somebody else's.
    fn networking(&self, instance: &Instance, network: &str) -> NetworkingConfig {
        let mut aliases = vec![label::alias(&instance.intent.nonce)];
        if self.config.network.is_none() {
            aliases.push(instance.name.as_str().to_owned());
        }
        let settings = EndpointSettings { aliases: Some(aliases), ..EndpointSettings::default() };
        NetworkingConfig { endpoints_config: Some(HashMap::from([(network.to_owned(), settings)])) }
    }
}

fn string_map(pairs: &[(Box<str>, Box<str>)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Config, ReplicasConfig};
    use crate::provider::docker::tests::seventh;

    fn body(keys: &str) -> serde_json::Value {
        let text = format!(
            "[[service]]\nname = \"web\"\n[service.replicas]\nprovider = \"docker\"\nimage = \"worker:1\"\nport = 5000\n{keys}"
        );
        let config = Config::parse("ringway.toml", &text).unwrap();
        let ReplicasConfig::Docker(docker) = config.services[0].replicas.clone() else { panic!("docker") };
        let instance = seventh();
        let plan = DockerPlan::new("web", docker);
        serde_json::to_value(plan.body(&Owner::named("edge"), &instance, "n1")).unwrap()
    }

    #[test]
    fn little_is_asked_for_unless_it_is_written() {
        let expected = json!({
            "Image": "worker:1",
            "Hostname": "Server-1",
            "Env": ["RINGWAY_SERVICE=web", "RINGWAY_REPLICA=Server-1", "RINGWAY_PORT=5000"],
            "Labels": {
                "ringway.owner": "edge", "ringway.service": "web", "ringway.replica": "Server-1",
                "ringway.generation": "7", "ringway.nonce": "00ff"
            },
            "StopSignal": "SIGINT",
            "HostConfig": { "NetworkMode": "n1" },
            "NetworkingConfig": { "EndpointsConfig": { "n1": { "Aliases": ["ringway-00ff", "Server-1"] } } }
        });
        assert_eq!(body(""), expected);
    }

    #[test]
    fn what_is_written_is_asked_for() {
        let body = body(
            "command = [\"./server\", \"--port={port}\", \"--id={name}\"]\nenv = { NAME = \"{name}\" }\n\
             network = \"back\"\nlabels = { team = \"web\" }\nmemory = \"512m\"\ncpus = 0.5\nuser = \"1000:1000\"\n\
             read_only = true\nvolumes = [\"data-{name}:/data\", \"/srv:/srv:ro\"]\nstop_signal = \"SIGTERM\"\n",
        );
        let cases = [
            ("/Cmd", json!(["./server", "--port=5000", "--id=Server-1"])),
            ("/Env/0", json!("NAME=Server-1")),
            ("/Labels/team", json!("web")),
            ("/HostConfig/Memory", json!(536_870_912)),
            ("/HostConfig/NanoCpus", json!(500_000_000)),
            ("/HostConfig/ReadonlyRootfs", json!(true)),
            ("/HostConfig/Binds", json!(["data-Server-1:/data", "/srv:/srv:ro"])),
            ("/User", json!("1000:1000")),
            ("/StopSignal", json!("SIGTERM")),
            ("/NetworkingConfig/EndpointsConfig/n1/Aliases", json!(["ringway-00ff"])),
        ];
        for (pointer, expected) in cases {
            assert_eq!(body.pointer(pointer), Some(&expected), "{pointer} of {body}");
        }
    }
}
