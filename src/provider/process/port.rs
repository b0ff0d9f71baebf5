//! Ports for replicas.
//!
//! They come from outside the system's ephemeral range. Inside it, any outgoing connection may have taken the port before
//! the replica binds it, and a connect to a port of one's own machine that nobody listens on may be given that very port
//! as its source and so connect to itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// Where ports come from if nothing is configured: the first of these that has any outside the ephemeral range.
const DEFAULTS: [RangeInclusive<u16>; 3] = [20_000..=29_999, 30_000..=65_535, 5_000..=19_999];
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const WORDS: usize = (u16::MAX as usize + 1) / 64;

/// Which ports the replicas of all services hold: a bit for each, written by the control thread only.
#[derive(Clone, Debug)]
pub struct PortAllocator {
    taken: Arc<[AtomicU64]>,
}

impl Default for PortAllocator {
    fn default() -> Self {
        PortAllocator { taken: (0..WORDS).map(|_| AtomicU64::new(0)).collect() }
    }
}

/// A port that no other replica is given while this value lives.
#[derive(Debug)]
pub(super) struct PortLease {
    allocator: PortAllocator,
    port: u16,
}

impl PortAllocator {
    /// A port of the configured or the default range that is held by nobody and can be bound. The search begins at `place`:
    /// random, so that two Ringways on one machine rarely want the same.
    pub(super) fn lease_free(
        &self,
        configured: Option<&RangeInclusive<u16>>,
        place: usize,
    ) -> Result<PortLease, String> {
        self.lease_among(&candidates(configured, &Ephemeral::of_system()?)?, place)
    }

    fn lease_among(&self, candidates: &[u16], place: usize) -> Result<PortLease, String> {
        let (before, after) = candidates.split_at(place % candidates.len().max(1));
        let (mut held, mut in_use) = (0_usize, 0_usize);
        for &port in after.iter().chain(before) {
            match self.lease(port) {
                None => held += 1,
                Some(lease) if is_free(port) => return Ok(lease),
                Some(_) => in_use += 1,
            }
        }
        Err(format!(
            "no port is left for another replica: of {}, {held} are held by replicas and {in_use} are in use by other \
             programs; widen replicas.ports",
            ports(candidates)
        ))
    }

    /// This very port; `None` if it is held.
    pub(super) fn lease(&self, port: u16) -> Option<PortLease> {
        let (word, bit) = self.bit(port);
        let is_new = word.fetch_or(bit, Ordering::Relaxed) & bit == 0;
        is_new.then(|| PortLease { allocator: self.clone(), port })
    }

    fn bit(&self, port: u16) -> (&AtomicU64, u64) {
        (&self.taken[usize::from(port) / 64], 1 << (port % 64))
    }
}

impl PortLease {
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        let (word, bit) = self.allocator.bit(self.port);
        word.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// The ports that the system may give to outgoing connections.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ephemeral {
    range: RangeInclusive<u16>,
    /// What it leaves out of the range.
    reserved: Vec<RangeInclusive<u16>>,
}

impl Ephemeral {
    fn of_system() -> Result<Self, String> {
        let range =
            fs::read_to_string(EPHEMERAL).map_err(|error| format!("cannot read {EPHEMERAL}: {error}"))?;
        // Older kernels and some sandboxes do not have the list; then nothing is left out.
        let reserved = fs::read_to_string(RESERVED).unwrap_or_default();
        Self::parse(&range, &reserved)
            .ok_or_else(|| format!("{EPHEMERAL} or {RESERVED} cannot be understood"))
    }

    /// "32768\t60999" and "8080,20000-20010".
    fn parse(range: &str, reserved: &str) -> Option<Self> {
        let (first, last) = range.trim().split_once(|character: char| character.is_ascii_whitespace())?;
        let range = first.parse().ok()?..=last.trim_start().parse().ok()?;
        let parts = reserved.trim().split(',').filter(|part| !part.is_empty());
        let reserved = parts.map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        });
        Some(Ephemeral { range, reserved: reserved.collect::<Option<_>>()? })
    }

    fn holds(&self, port: u16) -> bool {
        self.range.contains(&port) && !self.reserved.iter().any(|range| range.contains(&port))
    }
}

/// The ports that may be tried; at least one.
fn candidates(configured: Option<&RangeInclusive<u16>>, ephemeral: &Ephemeral) -> Result<Vec<u16>, String> {
    let ranges = configured.map_or(&DEFAULTS[..], std::slice::from_ref);
    let outside = |range: &RangeInclusive<u16>| -> Vec<u16> {
        range.clone().filter(|&port| port != 0 && !ephemeral.holds(port)).collect()
    };
    ranges.iter().map(outside).find(|ports| !ports.is_empty()).ok_or_else(|| {
        let wanted: Vec<String> =
            ranges.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
        let (first, last) = (ephemeral.range.start(), ephemeral.range.end());
        format!(
            "no port for a replica: all of {} lies in the range of outgoing connections, {first}-{last}; set \
             replicas.ports to ports outside it, or reserve some with the sysctl net.ipv4.ip_local_reserved_ports",
            wanted.join(", ")
        )
    })
}

fn ports(candidates: &[u16]) -> String {
    match candidates {
        [only] => format!("port {only}"),
        [first, .., last] => format!("the {} ports from {first} to {last}", candidates.len()),
        [] => "no ports".to_owned(),
    }
}

/// Whether a server could listen there now. The socket is bound and closed without listening, so that no client of
/// whoever had the port before finds it.
fn is_free(port: u16) -> bool {
    let bound = || {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    bound().is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_systems_ranges_are_read() {
        let parsed = |range, reserved| Ephemeral::parse(range, reserved);
        let expected = Ephemeral { range: 32_768..=60_999, reserved: Vec::new() };
        assert_eq!(parsed("32768\t60999\n", "\n"), Some(expected.clone()));
        let reserved = vec![8_080..=8_080, 40_000..=40_010];
        assert_eq!(parsed("32768 60999", "8080,40000-40010\n"), Some(Ephemeral { reserved, ..expected }));
        for (range, reserved) in
            [("", ""), ("1", ""), ("a b", ""), ("1 99999", ""), ("1 2", "x"), ("1 2", "1-")]
        {
            assert_eq!(parsed(range, reserved), None, "{range:?} {reserved:?}");
        }
        assert!(Ephemeral::of_system().is_ok());
    }

    #[test]
    fn ports_come_from_outside_the_ephemeral_range() {
        let of = |configured, range, reserved| candidates(configured, &Ephemeral { range, reserved });
        let ends = |ports: Result<Vec<u16>, String>| {
            let ports = ports.unwrap();
            (ports.len(), ports[0], *ports.last().unwrap())
        };
        assert_eq!(ends(of(None, 32_768..=60_999, vec![])), (10_000, 20_000, 29_999));
        assert_eq!(ends(of(None, 25_000..=60_999, vec![])), (5_000, 20_000, 24_999));
        assert_eq!(ends(of(None, 10_000..=40_000, vec![])), (25_535, 40_001, 65_535));
        assert_eq!(ends(of(None, 10_000..=65_535, vec![])), (5_000, 5_000, 9_999));
        assert_eq!(ends(of(None, 1_024..=65_535, vec![20_000..=20_009])), (10, 20_000, 20_009));
        let range = 40_000..=40_003;
        assert_eq!(ends(of(Some(&range), 32_768..=40_001, vec![])), (2, 40_002, 40_003));
        let error = of(Some(&range), 32_768..=60_999, vec![]).unwrap_err();
        assert!(error.contains("40000-40003") && error.contains("32768-60999"), "{error}");
        assert!(error.contains("replicas.ports"), "{error}");
        assert!(of(None, 1_024..=65_535, vec![]).is_err());
    }

    #[test]
    fn a_port_is_held_until_its_lease_ends() {
        let allocator = PortAllocator::default();
        let lease = allocator.lease(20_000).unwrap();
        assert!(allocator.clone().lease(20_000).is_none(), "all services share it");
        assert!(allocator.lease(20_001).is_some());
        drop(lease);
        assert!(allocator.lease(20_000).is_some());
        assert!([0, u16::MAX].into_iter().all(|port| allocator.lease(port).is_some()));
    }

    #[test]
    fn used_and_held_ports_are_passed_over_until_none_is_left() {
        let allocator = PortAllocator::default();
        let first = allocator.lease_free(None, std::process::id() as usize).unwrap();
        let range = first.port()..=first.port();
        let error = allocator.lease_free(Some(&range), 7).unwrap_err();
        assert!(error.contains("1 are held by replicas and 0 are in use"), "{error}");
        let port = first.port();
        drop(first);
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = allocator.lease_free(Some(&range), 7).unwrap_err();
        assert!(error.contains("0 are held by replicas and 1 are in use"), "{error}");
        assert!(allocator.lease(port).is_some(), "what cannot be bound is not kept");
    }

    #[test]
    fn the_search_begins_at_the_place_and_goes_round() {
        let allocator = PortAllocator::default();
        let found: Vec<PortLease> =
            (1..=3).map(|place| allocator.lease_free(None, place * 999).unwrap()).collect();
        let ports: Vec<u16> = found.iter().map(PortLease::port).collect();
        drop(found);
        let leases: Vec<PortLease> =
            (0..3).map(|_| allocator.lease_among(&ports, 2 + 3 * 7).unwrap()).collect();
        let order: Vec<u16> = leases.iter().map(PortLease::port).collect();
        assert_eq!(order, [ports[2], ports[0], ports[1]]);
    }
}
