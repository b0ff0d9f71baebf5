//! `replicas` of a service: who serves it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::error::Fault;
use super::section::Section;
use super::value::Value;
use super::{REPLICAS_MAX, ReplicaConfig, ReplicasConfig, WEIGHT_MAX, address};

const EXAMPLE: &str = "{ addresses = [\"127.0.0.1:9001\"] }";
const NAME_BYTES_MAX: usize = 255;

/// Reads the replicas of a service.
pub(super) fn read(service: &mut Section<'_>) -> ReplicasConfig {
    match service.value("replicas") {
        Some(value) => ReplicasConfig::Static(value.section(EXAMPLE, provided)),
        None => {
            service.fail("replicas", Fault::Missing(EXAMPLE));
            ReplicasConfig::Static(Box::default())
        }
    }
}

fn provided(section: &mut Section<'_>) -> Box<[ReplicaConfig]> {
    let provider =
        section.value("provider").map(|value| value.word(&[("static", ())], &["process", "docker"]));
    if provider == Some(None) {
        // The keys of another provider are no mistakes beside that.
        section.allow_any_key();
        return Box::default();
    }
    addresses(section)
}

fn addresses(section: &mut Section<'_>) -> Box<[ReplicaConfig]> {
    let Some(value) = section.value("addresses") else {
        section.fail("addresses", Fault::Missing("addresses = [\"127.0.0.1:9001\"]"));
        return Box::default();
    };
    let mut lines: HashMap<Box<str>, usize> = HashMap::new();
    let mut replicas = Vec::new();
    for value in value.list(REPLICAS_MAX, "addresses = [\"127.0.0.1:9001\"]") {
        let Some(replica) = replica(&value) else { continue };
        match lines.entry(replica.name.clone()) {
            Entry::Occupied(first) => {
                value.fail(Fault::DuplicateReplica { name: replica.name.to_string(), line: *first.get() })
            }
            Entry::Vacant(place) => _ = place.insert(value.line()),
        }
        replicas.push(replica);
    }
    replicas.into()
}

/// `"127.0.0.1:9001"` or `{ name = "b", address = "127.0.0.1:9002", weight = 2 }`.
fn replica(value: &Value<'_>) -> Option<ReplicaConfig> {
    if value.is_table() {
        return value.section("{ address = \"127.0.0.1:9001\" }", detailed);
    }
    Some(ReplicaConfig { address: replica_address(value)?, name: value.text(EXAMPLE)?.into(), weight: 1 })
}

fn detailed(section: &mut Section<'_>) -> Option<ReplicaConfig> {
    let name = section.value("name");
    let weight =
        section.number("weight", 1..=WEIGHT_MAX, 1, "write the replica's share relative to the others");
    let Some(address) = section.value("address") else {
        section.fail("address", Fault::Missing("address = \"127.0.0.1:9001\""));
        return None;
    };
    let name = match name {
        Some(name) => name.text("\"b\"").and_then(|written| name.check(proper_name(written))),
        None => address.text("\"127.0.0.1:9001\""),
    };
    Some(ReplicaConfig { address: replica_address(&address)?, name: name?.into(), weight })
}

fn replica_address(value: &Value<'_>) -> Option<std::net::SocketAddr> {
    let address = address::read(value, "\"127.0.0.1:9001\"")?;
    let proper = if address.port() == 0 { Err(Fault::PortZero) } else { Ok(address) };
    value.check(proper)
}

/// A name that stands in labels, logs and lists without being quoted; an address is one.
fn proper_name(written: &str) -> Result<&str, Fault> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    let proper = (1..=NAME_BYTES_MAX).contains(&written.len()) && written.bytes().all(is_name_byte);
    let characters = "letters, digits, '-', '_', '.', ':', '[' and ']'";
    if proper { Ok(written) } else { Err(Fault::Name { bytes_max: NAME_BYTES_MAX, characters }) }
}
