//! The calls about networks.

use std::collections::HashMap;

use bollard::models::{
    EndpointSettings, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};

use super::{CALL, Engine, filters, id_of, within};
use crate::provider::ContainerId;
use crate::provider::docker::fault::CallError;
use crate::provider::docker::label::{self, Labels};
use crate::provider::docker::version::ApiVersion;

impl Engine {
    /// Ids and names of all networks whose name contains `name`, or whose id does.
    pub(in crate::provider::docker) async fn networks(
        &self,
        name: &str,
    ) -> Result<Vec<(Box<str>, Box<str>)>, CallError> {
        let mut networks = self.networks_where(filters("name", name)).await?;
        if networks.iter().all(|(_, found)| **found != *name) {
            networks.extend(self.networks_where(filters("id", name)).await?);
        }
        Ok(networks)
    }

    /// Ids and names of the owner's own networks.
    pub(in crate::provider::docker) async fn own_networks(
        &self,
    ) -> Result<Vec<(Box<str>, Box<str>)>, CallError> {
        self.networks_where(filters("label", &label::filter(&self.owner))).await
    }

    async fn networks_where(
        &self,
        filters: HashMap<String, Vec<String>>,
    ) -> Result<Vec<(Box<str>, Box<str>)>, CallError> {
        let by_label = filters.contains_key("label");
        let options = ListNetworksOptions { filters: Some(filters) };
        let networks = within(CALL, self.docker.list_networks(Some(options))).await?;
        let is_own = |labels: Option<HashMap<String, String>>| {
            labels.as_ref().and_then(Labels::read).is_some_and(|labels| labels.owner == self.owner.label)
        };
        let named = networks.into_iter().filter_map(|network| {
            // Not by the filter alone: what is removed has to be ours.
            if by_label && !is_own(network.labels) {
                return None;
            }
            Some((id_of(&network.id?)?, network.name?.into()))
        });
        Ok(named.collect())
    }

    /// Makes a network of the owner's own.
    pub(in crate::provider::docker) async fn create_network(
        &self,
        name: &str,
        labels: HashMap<String, String>,
    ) -> Result<Box<str>, CallError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels),
            ..NetworkCreateRequest::default()
        };
        let made = self.call(self.docker.create_network(request)).await?;
        id_of(&made.id).ok_or_else(|| CallError::Broken("no id of a network".to_owned()))
    }

    /// Removes a network; the engine refuses that while containers are on it.
    pub(in crate::provider::docker) async fn remove_network(&self, id: &str) -> Result<(), CallError> {
        self.call(self.docker.remove_network(id)).await
    }

    /// Puts a container on a network. The engine refuses that for one that is on it already.
    ///
    /// Engines lead what goes elsewhere, and the ports that they publish, over that network of a container whose name comes
    /// first; those that can be asked to leave that as it is are.
    pub(in crate::provider::docker) async fn connect(
        &self,
        network: &str,
        container: &ContainerId,
    ) -> Result<(), CallError> {
        let has_priority = self.transport.spoken().is_some_and(ApiVersion::has_gateway_priority);
        let gw_priority = has_priority.then_some(-1);
        let request = NetworkConnectRequest {
            container: container.as_str().to_owned(),
            endpoint_config: Some(EndpointSettings { gw_priority, ..EndpointSettings::default() }),
        };
        self.call(self.docker.connect_network(network, request)).await
    }

    /// Takes a container off a network.
    pub(in crate::provider::docker) async fn disconnect(
        &self,
        network: &str,
        container: &ContainerId,
    ) -> Result<(), CallError> {
        let container = container.as_str().to_owned();
        let request = NetworkDisconnectRequest { container, force: None };
        self.call(self.docker.disconnect_network(network, request)).await
    }

    /// The containers that are on a network.
    pub(in crate::provider::docker) async fn members(
        &self,
        network: &str,
    ) -> Result<Vec<ContainerId>, CallError> {
        let found = self.call(self.docker.inspect_network(network, None::<InspectNetworkOptions>)).await?;
        let ids = found.containers.unwrap_or_default().into_keys();
        let no_id = |_| CallError::Broken("no id of a container".to_owned());
        ids.map(|id| id.parse().map_err(no_id)).collect()
    }
}
