//! `[[service]]`: a match rule with its key, placement, replicas and policies.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::str::FromStr;

use crate::base::key_source::{Fallback, KeySource};
use crate::base::route_match::{RouteMatch, RouteMatchError};
use crate::base::supervision::HeartbeatPolicy;

use super::error::Fault;
use super::section::Section;
use super::{KEY_SOURCES_MAX, ReplicasConfig, SERVICES_MAX, ServiceConfig};
use super::{heartbeat, limits, placement, replicas};

const EXAMPLE: &str = "[[service]] name = \"web\"";
const DEFAULT_NAME: &str = "default";
const NAME_BYTES_MAX: usize = 64;

/// Reads all services and compares them with each other.
pub(super) fn read_all(top: &mut Section<'_>) -> Box<[ServiceConfig]> {
    let Some(value) = top.value("service") else { return Box::default() };
    let mut seen = Seen::default();
    let services = value.list(SERVICES_MAX, EXAMPLE);
    services.into_iter().map(|value| value.section(EXAMPLE, |section| read(section, &mut seen))).collect()
}

/// On which line a name or a match rule was seen first.
#[derive(Default)]
struct Seen {
    names: HashMap<Box<str>, usize>,
    routes: HashMap<RouteMatch, usize>,
}

fn read(section: &mut Section<'_>, seen: &mut Seen) -> ServiceConfig {
    section.not_yet("replication", "replicated services", "remove this key");
    section.not_yet("cache", "a cache", "remove this key");
    let (algorithm, bounded_load) =
        section.section("placement", "{ algorithm = \"rendezvous\" }", placement::read);
    let replicas = replicas::read(section, algorithm);
    let fallbacks = [("random", Fallback::Random), ("reject", Fallback::Reject)];
    ServiceConfig {
        name: name(section, seen),
        route: route(section, seen),
        keys: keys(section),
        fallback: section.word("fallback", &fallbacks, &[], Fallback::default()),
        algorithm,
        bounded_load,
        heartbeat: heartbeat::read(section).or_else(|| default_heartbeat(&replicas)),
        replicas,
        timeouts: section.section("timeouts", "{ connect_ms = 2500 }", limits::timeouts),
        pool: section.section("pool", "{ connections_max = 1024 }", limits::pool),
        retries: section.section("retries", "{ retries_max = 2 }", limits::retries),
    }
}

fn name(section: &mut Section<'_>, seen: &mut Seen) -> Box<str> {
    let name = match section.value("name") {
        Some(value) => value.text("\"web\"").and_then(|written| value.check(proper_name(written))),
        None => Some(DEFAULT_NAME),
    };
    let Some(name) = name else { return DEFAULT_NAME.into() };
    match seen.names.entry(name.into()) {
        Entry::Occupied(first) => section.fail("name", Fault::DuplicateService { line: *first.get() }),
        Entry::Vacant(place) => _ = place.insert(section.line("name")),
    }
    name.into()
}

/// A name that stands in queries, labels and logs without being quoted.
fn proper_name(written: &str) -> Result<&str, Fault> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let proper = (1..=NAME_BYTES_MAX).contains(&written.len()) && written.bytes().all(is_name_byte);
    let characters = "letters, digits, '-', '_' and '.'";
    if proper { Ok(written) } else { Err(Fault::Name { bytes_max: NAME_BYTES_MAX, characters }) }
}

fn route(section: &mut Section<'_>, seen: &mut Seen) -> RouteMatch {
    let rule = section.section("match", "{ host = \"*\", path = \"/\" }", match_rule);
    let Some(rule) = rule else { return RouteMatch::default() };
    match seen.routes.entry(rule.clone()) {
        Entry::Occupied(first) => {
            let fault = Fault::DuplicateRoute { route: rule.to_string(), line: *first.get() };
            section.fail("match", fault);
        }
        Entry::Vacant(place) => _ = place.insert(section.line("match")),
    }
    rule
}

/// `None` if a part of the rule is wrong, so that it is not compared with the others'.
fn match_rule(section: &mut Section<'_>) -> Option<RouteMatch> {
    let host = match_part(section, "host", "\"example.com\"");
    let path = match_part(section, "path", "\"/\"");
    Some(RouteMatch { host: host?, path: path? })
}

fn match_part<T>(section: &mut Section<'_>, key: &'static str, example: &'static str) -> Option<T>
where
    T: Default + FromStr<Err = RouteMatchError>,
{
    let Some(value) = section.value(key) else { return Some(T::default()) };
    value.check(value.text(example)?.parse())
}

/// The key's sources; by default the path.
fn keys(section: &mut Section<'_>) -> Box<[KeySource]> {
    let Some(value) = section.value("key") else { return Box::new([KeySource::Path]) };
    let mut keys = Vec::new();
    for value in value.one_or_list(KEY_SOURCES_MAX, "[\"header:x-request-id\", \"random\"]") {
        if keys.last() == Some(&KeySource::Random) {
            value.fail(Fault::BehindRandom);
            break;
        }
        keys.extend(value.text("\"path\"").and_then(|written| value.check(written.parse())));
    }
    keys.into()
}

/// Ringway's own replicas are watched even if the file says nothing of it: who else would find that one hangs?
fn default_heartbeat(replicas: &ReplicasConfig) -> Option<HeartbeatPolicy> {
    replicas.is_owned().then(HeartbeatPolicy::default)
}
