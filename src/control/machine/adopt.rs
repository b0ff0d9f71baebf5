//! What an earlier process left running under one name, and which of it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::replica::Running;
use crate::provider::{InstanceId, RunsAs};

/// The instances of one name that may be running. None is started under the name, and none of them ended, until it is
/// known of each whether it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Adoption {
    unknown: BTreeSet<InstanceId>,
    found: BTreeMap<InstanceId, Running>,
}

impl Adoption {
    /// One more that may be running.
    pub(super) fn expect(&mut self, id: InstanceId) {
        self.unknown.insert(id);
    }

    /// It runs.
    pub(super) fn found(&mut self, id: InstanceId, address: SocketAddr, runs_as: RunsAs) {
        if self.unknown.remove(&id) {
            self.found.insert(id, Running { id, address, runs_as });
        }
    }

    /// It does not, or not any more.
    pub(super) fn ended(&mut self, id: InstanceId) {
        self.unknown.remove(&id);
        self.found.remove(&id);
    }

    /// Whether it is known of each.
    pub(super) fn is_decided(&self) -> bool {
        self.unknown.is_empty()
    }

    /// The newest that runs, and the others.
    pub(super) fn outcome(mut self) -> (Option<Running>, Vec<Running>) {
        let newest = self.found.pop_last().map(|(_, running)| running);
        (newest, self.found.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: RunsAs = RunsAs::Process(7);
    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    fn of(ids: &[u64]) -> Adoption {
        let mut adoption = Adoption::default();
        ids.iter().for_each(|&id| adoption.expect(InstanceId(id)));
        adoption
    }

    fn ids(outcome: (Option<Running>, Vec<Running>)) -> (Option<u64>, Vec<u64>) {
        (outcome.0.map(|one| one.id.0), outcome.1.iter().map(|one| one.id.0).collect())
    }

    #[test]
    fn the_newest_that_runs_goes_on() {
        let mut adoption = of(&[3, 5, 9]);
        adoption.found(InstanceId(5), ADDRESS, PROCESS);
        adoption.found(InstanceId(3), ADDRESS, PROCESS);
        assert!(!adoption.is_decided());
        adoption.ended(InstanceId(9));
        assert!(adoption.is_decided());
        assert_eq!(ids(adoption.outcome()), (Some(5), vec![3]));
    }

    #[test]
    fn one_that_ends_after_it_was_found_does_not_go_on() {
        let mut adoption = of(&[1, 2]);
        adoption.found(InstanceId(2), ADDRESS, PROCESS);
        adoption.ended(InstanceId(2));
        adoption.ended(InstanceId(1));
        adoption.found(InstanceId(7), ADDRESS, PROCESS);
        assert!(adoption.is_decided());
        assert_eq!(ids(adoption.outcome()), (None, vec![]));
    }
}
