//! The labels by which containers are found again, and the names that they get.

use std::collections::HashMap;

use super::owner::Owner;
use crate::provider::{Instance, InstanceId};

const OWNER: &str = "ringway.owner";
const SERVICE: &str = "ringway.service";
const REPLICA: &str = "ringway.replica";
const GENERATION: &str = "ringway.generation";
const NONCE: &str = "ringway.nonce";

/// What the labels of a container or a network say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    /// Whose it is.
    pub(super) owner: Box<str>,
    pub(super) service: Box<str>,
    pub(super) replica: Box<str>,
    /// Which start it was of; empty for what is no container.
    pub(super) nonce: Box<str>,
}

impl Labels {
    /// Reads labels; `None`: they are not Ringway's.
    pub(super) fn read(labels: &HashMap<String, String>) -> Option<Self> {
        let get = |name: &str| labels.get(name).map(|value| Box::from(value.as_str()));
        Some(Labels {
            owner: get(OWNER)?,
            service: get(SERVICE)?,
            replica: get(REPLICA).unwrap_or_default(),
            nonce: get(NONCE).unwrap_or_default(),
        })
    }
}

/// The filter for all that is an owner's, as the engine's calls take it.
pub(super) fn filter(owner: &Owner) -> String {
    format!("{OWNER}={}", owner.label)
}

/// The labels of an instance's container.
pub(super) fn of_instance(owner: &Owner, instance: &Instance) -> HashMap<String, String> {
    let mut labels = of_network(owner, &instance.service);
    labels.insert(REPLICA.to_owned(), instance.name.as_str().to_owned());
    labels.insert(GENERATION.to_owned(), instance.id.0.to_string());
    labels.insert(NONCE.to_owned(), instance.intent.nonce.to_string());
    labels
}

/// The labels of a service's network.
pub(super) fn of_network(owner: &Owner, service: &str) -> HashMap<String, String> {
    [(OWNER, &*owner.label), (SERVICE, service)].map(|(name, value)| (name.into(), value.into())).into()
}

/// The name of an instance's container. It has the number of the instance in it, so that a replacement need not wait
/// until its predecessor's container is removed.
pub(super) fn container_name(owner: &Owner, service: &str, replica: &str, id: InstanceId) -> String {
    format!("ringway-{}-{service}-{replica}-{}", owner.short, id.0)
}

/// The name of a service's own network.
pub(super) fn network_name(owner: &Owner, service: &str) -> String {
    format!("ringway-{}-{service}", owner.short)
}

/// The name under which the network's name service has an instance: short enough for a label of a host name, and of no
/// other container.
pub(super) fn alias(nonce: &str) -> String {
    format!("ringway-{nonce}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::docker::tests::seventh;

    #[test]
    fn labels_come_back_as_they_were_written() {
        let owner = Owner::named("edge");
        let instance = seventh();
        let labels = of_instance(&owner, &instance);
        let read = Labels::read(&labels).unwrap();
        let expected = Labels {
            owner: "edge".into(),
            service: "web".into(),
            replica: "Server-1".into(),
            nonce: "00ff".into(),
        };
        assert_eq!(read, expected);
        assert_eq!(labels["ringway.generation"], "7");
        assert_eq!(filter(&owner), "ringway.owner=edge");
        assert_eq!(container_name(&owner, "web", "Server-1", InstanceId(7)), "ringway-edge-web-Server-1-7");
        assert_eq!(network_name(&owner, "web"), "ringway-edge-web");
    }

    #[test]
    fn what_others_labelled_is_not_ours() {
        for labels in [&[][..], &[("com.docker.compose.service", "web")], &[("ringway.service", "web")]] {
            let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(Labels::read(&labels), None);
        }
    }
}
