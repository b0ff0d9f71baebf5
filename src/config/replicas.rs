//! `replicas` of a service: who serves it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::base::algorithm::Algorithm;

use super::error::Fault;
use super::section::Section;
use super::value::Value;
use super::{REPLICAS_MAX, ReplicaConfig, ReplicasConfig, WEIGHT_MAX, address, docker, owned, process};

const EXAMPLE: &str = "{ addresses = [\"127.0.0.1:9001\"] }";
const NAME_BYTES_MAX: usize = 255;

/// The keys that only static replicas have.
const STATIC_KEYS: [&str; 1] = ["addresses"];

#[derive(Clone, Copy, PartialEq)]
enum Provider {
    Static,
    Process,
    Docker,
}

/// Reads the replicas of a service; weights may stand only where its algorithm has them.
pub(super) fn read(service: &mut Section<'_>, algorithm: Algorithm) -> ReplicasConfig {
    match service.value("replicas") {
        Some(value) => value.section(EXAMPLE, |section| provided(section, algorithm)),
        None => {
            service.fail("replicas", Fault::Missing(EXAMPLE));
            ReplicasConfig::Static(Box::default())
        }
    }
}

fn provided(section: &mut Section<'_>, algorithm: Algorithm) -> ReplicasConfig {
    let belongs = |owners, chosen| move || Fault::OtherChoice { choice: "provider", owners, chosen };
    match provider(section) {
        Some(Provider::Static) => {
            let replicas = addresses(section, algorithm);
            section.refuse(&owned::KEYS, belongs("\"process\" or \"docker\"", "static"));
            section.refuse(&process::KEYS, belongs("\"process\"", "static"));
            section.refuse(&docker::KEYS, belongs("\"docker\"", "static"));
            ReplicasConfig::Static(replicas)
        }
        Some(Provider::Process) => {
            let process = process::read(section);
            section.refuse(&STATIC_KEYS, belongs("\"static\"", "process"));
            section.refuse(&docker::KEYS, belongs("\"docker\"", "process"));
            ReplicasConfig::Process(process)
        }
        Some(Provider::Docker) => {
            let docker = docker::read(section);
            section.refuse(&STATIC_KEYS, belongs("\"static\"", "docker"));
            section.refuse(&process::KEYS, belongs("\"process\"", "docker"));
            ReplicasConfig::Docker(docker)
        }
        None => {
            // The keys of another provider are no mistakes beside that.
            section.allow_any_key();
            ReplicasConfig::Static(Box::default())
        }
    }
}

/// The provider as written. Addresses need no word for theirs; a command does, as several providers may have one.
fn provider(section: &mut Section<'_>) -> Option<Provider> {
    let words = [("static", Provider::Static), ("process", Provider::Process), ("docker", Provider::Docker)];
    if let Some(value) = section.value("provider") {
        return value.word(&words, &[]);
    }
    let has_any = |keys: &[&str]| !section.has("addresses") && keys.iter().any(|key| section.has(key));
    if has_any(&docker::KEYS) {
        section.fail("provider", Fault::Missing("provider = \"docker\""));
        return Some(Provider::Docker);
    }
    if has_any(&owned::KEYS) || has_any(&process::KEYS) {
        section.fail("provider", Fault::Missing("provider = \"process\""));
        return Some(Provider::Process);
    }
    Some(Provider::Static)
}

fn addresses(section: &mut Section<'_>, algorithm: Algorithm) -> Box<[ReplicaConfig]> {
    let Some(value) = section.value("addresses") else {
        section.fail("addresses", Fault::Missing("addresses = [\"127.0.0.1:9001\"]"));
        return Box::default();
    };
    let mut lines: HashMap<Box<str>, usize> = HashMap::new();
    let mut replicas = Vec::new();
    for value in value.list(REPLICAS_MAX, "addresses = [\"127.0.0.1:9001\"]") {
        let Some(replica) = replica(&value, algorithm) else { continue };
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
fn replica(value: &Value<'_>, algorithm: Algorithm) -> Option<ReplicaConfig> {
    if value.is_table() {
        return value.section("{ address = \"127.0.0.1:9001\" }", |section| detailed(section, algorithm));
    }
    Some(ReplicaConfig { address: replica_address(value)?, name: value.text(EXAMPLE)?.into(), weight: 1 })
}

fn detailed(section: &mut Section<'_>, algorithm: Algorithm) -> Option<ReplicaConfig> {
    let name = section.value("name");
    let weight =
        section.number("weight", 1..=WEIGHT_MAX, 1, "write the replica's share relative to the others");
    if weight != 1 && !algorithm.has_weights() {
        section.fail("weight", Fault::Weight { algorithm: algorithm.name() });
    }
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
