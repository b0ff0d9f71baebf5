//! Which container Ringway itself runs in, if any: what speaks for one, and what proves it. No I/O but two small files.
//!
//! That there is a container at all (`/.dockerenv`) says nothing: machines have that file, and the container may be one of
//! another engine. What counts is whether it is a container of *this* engine, and one whose network is the network that
//! this process sends into. Three things together prove that:
//!
//! 1. its id. The engine itself mounts files from a folder that is named by it, in Docker and Podman, with control groups of
//!    either version: 256 random bits, which no two containers share unless an engine's data was copied. The host name is
//!    the beginning of an id unless somebody set it; a name that merely equals it counts for nothing.
//! 2. the engine knows it and says that it runs. That excludes the engine around, or beside, the one whose container this is.
//! 3. every address that the engine says it has is one of this process's own. That excludes the copy of a machine, whose
//!    engine knows the same ids, and a mount of somebody else's files.
//!
//! Who is put on a network at Ringway's word is asked the third thing again afterwards: an address that appears here because
//! the engine was asked for it is no coincidence.

use std::fs;
use std::net::{IpAddr, UdpSocket};

use super::engine::Inspected;
use super::listing::ContainerState;
use crate::provider::ContainerId;

/// The files that engines mount into a container from a folder of its own.
const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
/// How many hex digits an id has, and how many of them a host name has at least.
const DIGITS: usize = 64;
const HOSTNAME_DIGITS: usize = 12;
/// What is on the machine's own network was asked for by this, and what is on another container's begins with that.
const MACHINES_NETWORK: &str = "host";
const CONTAINERS_NETWORK: &str = "container:";

/// What speaks for a container being the one that Ringway runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    /// Its id, or the beginning of that: lower-case hex digits.
    pub(super) id: Box<str>,
}

impl Sign {
    fn is_whole(&self) -> bool {
        self.id.len() == DIGITS
    }

    /// Whether it speaks for this container.
    pub(super) fn is_of(&self, container: &ContainerId) -> bool {
        container.as_str().starts_with(&*self.id)
    }

    /// As engines' tools show it.
    pub(super) fn short(&self) -> &str {
        &self.id[..HOSTNAME_DIGITS]
    }
}

/// The signs that this process sees, the best first.
pub(super) fn signs_of_process() -> Vec<Sign> {
    // What cannot be read speaks for nothing.
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    signs(&read("/proc/self/mountinfo"), read("/proc/sys/kernel/hostname").trim_end())
}

/// The signs in a table of mounts (proc_pid_mountinfo(5)) and a host name.
fn signs(mounts: &str, host_name: &str) -> Vec<Sign> {
    let mut ids: Vec<&str> = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(3);
        let (Some(root), Some(place)) = (fields.next(), fields.next()) else { continue };
        if MOUNTED.contains(&place) {
            // The last one: an engine's folder may lie within another engine's container.
            ids.extend(root.rsplit('/').find(|segment| is_hex(segment) && segment.len() == DIGITS));
        }
    }
    if is_hex(host_name) && (HOSTNAME_DIGITS..=DIGITS).contains(&host_name.len()) {
        ids.push(host_name);
    }
    let mut signs: Vec<Sign> = Vec::new();
    for id in ids {
        if !signs.iter().any(|sign| sign.id.starts_with(id)) {
            signs.push(Sign { id: id.into() });
        }
    }
    signs
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether an address is one of this process's own network: only to such a one can a socket be bound.
pub(super) fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Ringway's own container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnContainer {
    pub(super) id: ContainerId,
    /// The ids of the networks that it is on.
    networks: Vec<Box<str>>,
}

impl OwnContainer {
    /// Whether it is on the network with this id.
    pub(super) fn is_on(&self, network: &str) -> bool {
        self.networks.iter().any(|id| **id == *network)
    }
}

/// Whether what the engine says of a container, for which the sign speaks, proves that Ringway runs in it. `is_local` says
/// of an address whether it is one of this process's own.
///
/// # Errors
/// Why not, for the operator.
pub(super) fn judge(
    sign: &Sign,
    found: &Inspected,
    is_local: impl Fn(IpAddr) -> bool,
) -> Result<OwnContainer, String> {
    let Inspected { id, .. } = found;
    if !sign.is_of(id) {
        return Err(format!("container {id} is merely called {}", sign.short()));
    }
    if found.state == ContainerState::Ended {
        return Err(format!("container {id} does not run"));
    }
    let mode = &*found.network_mode;
    if mode == MACHINES_NETWORK || mode.starts_with(CONTAINERS_NETWORK) {
        return Err(format!("container {id} has no network of its own, but uses that of {mode}"));
    }
    let mut addresses = found.attachments.iter().filter_map(|on| on.address).peekable();
    if addresses.peek().is_none() && !sign.is_whole() {
        return Err(format!("container {id} has no address by which it could be known"));
    }
    if let Some(foreign) = addresses.find(|address| !is_local(*address)) {
        return Err(format!("container {id} has the address {foreign}, which is not one of Ringway's"));
    }
    let networks = found.attachments.iter().map(|on| on.id.clone()).collect();
    Ok(OwnContainer { id: id.clone(), networks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::docker::address::Attachment;
    use crate::provider::docker::exit::Exit;

    fn whole(digit: &str) -> String {
        digit.repeat(DIGITS)
    }

    #[test]
    fn the_mounts_of_an_engine_name_the_container_and_other_mounts_do_not() {
        let [a, b] = [whole("a"), whole("b")];
        let docker = format!(
            "121 90 0:55 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X\n\
             138 121 254:0 /var/lib/docker/containers/{a}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw\n\
             139 121 254:0 /var/lib/docker/containers/{a}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n\
             140 121 254:0 /var/lib/docker/containers/{a}/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw\n"
        );
        let podman = format!(
            "700 650 0:25 /containers/overlay-containers/{a}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n"
        );
        let nested =
            format!("1 2 0:1 /containers/{b}/data/containers/{a}/hosts /etc/hosts rw - ext4 /dev/x rw\n");
        let machine = format!(
            "1 2 0:1 / /var/lib/docker/overlay2/{a}/merged rw shared:3 - overlay overlay rw\n\
             2 2 0:1 /var/lib/docker/containers/{a}/mounts/shm /dev/shm rw - tmpfs tmpfs rw\n\
             3 2 0:1 /etc/hosts.d/static /etc/hosts rw - ext4 /dev/x rw\n"
        );
        let two = format!("{docker}9 2 0:1 /x/{b}/hosts /etc/hosts rw - ext4 /dev/x rw\n");
        let short = &a[..12];
        let cases: &[(&str, &str, &str, &[&str])] = &[
            ("Docker, with the host name that it gives", &docker, short, &[&a]),
            ("Docker, with a host name of the user's", &docker, "edge", &[&a]),
            ("Podman", &podman, "edge", &[&a]),
            ("an engine's folder within another's container", &nested, "edge", &[&a]),
            ("a machine that has containers", &machine, "vm", &[]),
            ("no table of mounts, a host name that an engine gave", "", short, &[short]),
            ("a mount of somebody else's file beside", &two, short, &[&a, &b]),
            ("a host name that is too short", "", &a[..11], &[]),
            ("a host name in capitals", "", "ABCDEF012345", &[]),
            ("nonsense", "1 2\n\n/etc/hosts /etc/hosts\n", "", &[]),
        ];
        for (name, mounts, host_name, expected) in cases {
            let found = signs(mounts, host_name);
            let ids: Vec<&str> = found.iter().map(|sign| &*sign.id).collect();
            assert_eq!(ids, *expected, "{name}");
        }
    }

    /// A container that was made on the first of these networks.
    fn found(state: ContainerState, addresses: &[(&str, Option<&str>)]) -> Inspected {
        let on = |(name, address): &(&str, Option<&str>)| Attachment {
            name: (*name).into(),
            id: format!("id-of-{name}").into(),
            address: address.map(|address| address.parse().unwrap()),
        };
        Inspected {
            id: whole("a").parse().unwrap(),
            labels: None,
            state,
            exit: Exit::default(),
            attachments: addresses.iter().map(on).collect(),
            network_mode: addresses.first().map_or("bridge", |(name, _)| name).into(),
        }
    }

    #[test]
    fn only_a_running_container_whose_addresses_are_ours_is_ours() {
        const UP: ContainerState = ContainerState::Up { paused: false };
        let (ours, other, third) = (Some("172.17.0.2"), Some("172.18.0.2"), Some("10.0.0.9"));
        let [a, b] = [whole("a"), whole("b")];
        let short = &a[..12];
        let cases = [
            (&*a, found(UP, &[("bridge", ours)]), Ok(1)),
            (&a, found(UP, &[("bridge", ours), ("back", other)]), Ok(2)),
            (&a, found(UP, &[("none", None)]), Ok(1)),
            (&a, found(UP, &[]), Ok(0)),
            (short, found(UP, &[("bridge", ours)]), Ok(1)),
            (short, found(UP, &[("none", None)]), Err("no address by which")),
            (&a, found(UP, &[("bridge", ours), ("back", third)]), Err("10.0.0.9, which is not one of")),
            (&a, found(UP, &[("host", None)]), Err("no network of its own, but uses that of host")),
            (&a, found(UP, &[("container:b", None)]), Err("no network of its own")),
            (&a, found(ContainerState::Ended, &[("bridge", ours)]), Err("does not run")),
            (&b, found(UP, &[("bridge", ours)]), Err("is merely called bbbbbbbbbbbb")),
        ];
        let is_local = |address: IpAddr| address.to_string() != "10.0.0.9";
        for (id, found, expected) in cases {
            let own = judge(&Sign { id: id.into() }, &found, is_local).map(|own| own.networks.len());
            match (own, expected) {
                (Ok(networks), Ok(expected)) => assert_eq!(networks, expected),
                (Err(why), Err(said)) => assert!(why.contains(said), "{why}"),
                (own, expected) => panic!("{id}: {own:?}, and not {expected:?}"),
            }
        }
    }

    #[test]
    fn an_address_of_this_machine_is_local_and_one_of_a_document_is_not() {
        assert!(is_local(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_local(IpAddr::from([192, 0, 2, 1])));
    }
}
