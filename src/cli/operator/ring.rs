//! `ringway ring digest|explain|preview`: of a running Ringway, or of a configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hyper::Method;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};

use super::options::{self as about, parse, print_json};
use super::table::Table;
use super::{CommandError, block_on, output};
use crate::admin::ring::{self, Digests};
use crate::base::printable::printable;
use crate::config::Config;
use crate::control::first_specs;
use crate::placement::{PlacementError, Service, Snapshot};

#[derive(Debug, Args)]
pub(in crate::cli) struct Ring {
    #[command(subcommand)]
    question: Question,
    /// Ask this configuration file, as a first start would place it, and no running Ringway.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    about: about::Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// One hash of everything that decides where keys go: proxies that agree have the same.
    Digest,
    /// Which replicas a key goes to, in order, and why.
    Explain {
        /// The key, as the service reads it from a request: a path, say.
        key: String,
    },
    /// Which share of the keys would move, from whom to whom, if replicas came or went.
    Preview {
        /// Replicas that come: a,b
        #[arg(long, value_name = "NAMES", default_value = "")]
        add: String,
        /// Replicas that go: c
        #[arg(long, value_name = "NAMES", default_value = "")]
        remove: String,
    },
}

impl Ring {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let answer = match &self.config {
            Some(path) => self.compute(path)?,
            None => self.ask()?,
        };
        if self.about.json.json {
            return print_json(&answer);
        }
        let lines = match &self.question {
            Question::Digest => digest_lines(&parse(&answer)?),
            Question::Explain { key } => explain_lines(key, &parse(&answer)?),
            Question::Preview { .. } => preview_lines(&parse(&answer)?),
        };
        output::print(lines.into_iter().map(|line| line + "\n").collect::<String>())
    }

    fn ask(&self) -> Result<String, CommandError> {
        let target = match &self.question {
            Question::Digest => self.about.service.target("/ring/digest", &[]),
            Question::Explain { key } => self.about.service.target("/ring/explain", &[("key", key)]),
            Question::Preview { add, remove } => {
                self.about.service.target("/ring/preview", &[("add", add), ("remove", remove)])
            }
        };
        block_on(self.about.options.ask(
            Method::GET,
            &target,
            Bytes::new(),
            self.about.options.default_timeout(),
        ))
    }

    /// What a running Ringway would answer if it had just begun with this configuration.
    fn compute(&self, path: &Path) -> Result<String, CommandError> {
        let config = Config::load(path).map_err(|errors| CommandError::failed(errors.to_string()))?;
        let snapshot = first_snapshot(&config)?;
        let json = match &self.question {
            Question::Digest => {
                let only = self.about.service.name().map(|_| self.choose(&snapshot)).transpose()?;
                to_json(&ring::digests(&snapshot, only))
            }
            Question::Explain { key } => to_json(&ring::explain(self.choose(&snapshot)?, key.as_bytes())),
            Question::Preview { add, remove } => {
                let (add, remove) = (ring::names(add), ring::names(remove));
                let preview = ring::preview(self.choose(&snapshot)?, &add, &remove);
                to_json(&preview.map_err(|error| CommandError::failed(error.to_string()))?)
            }
        };
        json.map_err(|error| CommandError::failed(error.to_string()))
    }

    fn choose<'a>(&self, snapshot: &'a Snapshot) -> Result<&'a Service, CommandError> {
        match (self.about.service.name(), &*snapshot.services) {
            (Some(name), _) => snapshot.service_named(name).map(|service| &**service).ok_or_else(|| {
                CommandError::failed(format!("there is no service '{}'", output::one_line(name)))
            }),
            (None, [only]) => Ok(only),
            (None, []) => Err(CommandError::failed("the configuration names no service")),
            (None, several) => {
                let names: Vec<_> = several.iter().map(|service| &*service.name).collect();
                let names = names.join(", ");
                Err(CommandError::failed(format!(
                    "there are several services ({names}); give --service NAME"
                )))
            }
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

/// The address of replicas that get theirs when they start. In a snapshot that nobody serves any will do, and with one they
/// count as up.
const SOMEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// The snapshot of a first start: replicas of Ringway's own are named as it names them then.
fn first_snapshot(config: &Config) -> Result<Snapshot, CommandError> {
    let failed = |error: PlacementError| CommandError::failed(error.to_string());
    let mut specs = first_specs(config).map_err(failed)?;
    for replica in specs.iter_mut().flat_map(|spec| &mut spec.replicas) {
        replica.address.get_or_insert(SOMEWHERE);
    }
    Snapshot::build(specs, None).map_err(failed)
}

fn digest_lines(digests: &Digests) -> Vec<String> {
    let services = digests.services.iter();
    let mut lines = vec![printable(&digests.digest)];
    lines.extend(
        services.map(|one| printable(&format!("  {}  {} ({})", one.digest, one.name, one.algorithm))),
    );
    lines
}

/// `/ring/explain`, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Explained {
    service: String,
    algorithm: String,
    hash: String,
    slot: Option<u64>,
    replicas: Vec<Candidate>,
    chosen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Candidate {
    name: String,
    weight: u32,
    up: bool,
    in_flight: u64,
    bound: Option<u64>,
}

fn explain_lines(key: &str, explained: &Explained) -> Vec<String> {
    let slot = explained.slot.map(|slot| format!(", slot {slot}")).unwrap_or_default();
    let title = format!(
        "key {key} of service {}: {}, hash {}{slot}",
        explained.service, explained.algorithm, explained.hash
    );
    let mut table = Table::headed(["REPLICA", "WEIGHT", "UP", "OPEN", "AT MOST", ""]);
    for candidate in &explained.replicas {
        let is_chosen = explained.chosen.as_ref() == Some(&candidate.name);
        table.row(vec![
            candidate.name.clone(),
            candidate.weight.to_string(),
            if candidate.up { "yes" } else { "no" }.to_owned(),
            candidate.in_flight.to_string(),
            candidate.bound.map_or_else(|| "-".to_owned(), |bound| bound.to_string()),
            if is_chosen { "chosen" } else { "" }.to_owned(),
        ]);
    }
    let mut lines = vec![printable(&title)];
    lines.extend(table.lines());
    if explained.chosen.is_none() {
        lines.push("no replica can take it now".to_owned());
    }
    lines
}

/// `/ring/preview`, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Previewed {
    basis: serde_json::Value,
    moved: f64,
    least: f64,
    moves: Vec<Move>,
    members: Vec<Share>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Move {
    from: Option<String>,
    to: Option<String>,
    share: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Share {
    name: String,
    before: f64,
    after: f64,
}

fn preview_lines(previewed: &Previewed) -> Vec<String> {
    let basis = match previewed.basis["sampled"].as_u64() {
        Some(keys) => format!("of {keys} keys"),
        None => "of all hashes".to_owned(),
    };
    let percent = |share: f64| format!("{:.2}%", share * 1e2);
    let (moved, least) = (percent(previewed.moved), percent(previewed.least));
    let mut lines = vec![format!("{moved} move, {least} had to ({basis})")];
    if !previewed.moves.is_empty() {
        let or_none = |name: &Option<String>| name.clone().unwrap_or_else(|| "(none)".to_owned());
        let mut moves = Table::headed(["FROM", "TO", "SHARE"]);
        for one in &previewed.moves {
            moves.row(vec![or_none(&one.from), or_none(&one.to), percent(one.share)]);
        }
        lines.extend(moves.lines());
    }
    let mut shares = Table::headed(["REPLICA", "BEFORE", "AFTER"]);
    for member in &previewed.members {
        shares.row(vec![member.name.clone(), percent(member.before), percent(member.after)]);
    }
    lines.extend(shares.lines());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[service]]\nname = \"web\"\n\
        replicas = { addresses = [{ name = \"a\", address = \"127.0.0.1:1\" }, { name = \"b\", address = \"127.0.0.1:2\" }] }\n";

    #[test]
    fn a_configuration_is_explained_without_a_running_ringway() {
        let snapshot = first_snapshot(&Config::parse("web.toml", FILE).unwrap()).unwrap();
        let json = to_json(&ring::explain(&snapshot.services[0], b"/home")).unwrap();
        let lines = explain_lines("/home", &parse(&json).unwrap());
        assert!(
            lines[0].starts_with("key /home of service web: rendezvous, hash 6736ff856ddce61d, slot 1651")
        );
        assert_eq!(lines.iter().filter(|line| line.ends_with("chosen")).count(), 1, "{lines:?}");
        let digests = ring::digests(&snapshot, None);
        assert_eq!(digest_lines(&digests).len(), 2);
        assert_ne!(digests.digest, digests.services[0].digest);
    }

    #[test]
    fn a_preview_says_what_moves() {
        let snapshot = first_snapshot(&Config::parse("web.toml", FILE).unwrap()).unwrap();
        let preview = ring::preview(&snapshot.services[0], &ring::names("c"), &ring::names("a")).unwrap();
        let lines = preview_lines(&parse(&to_json(&preview).unwrap()).unwrap());
        assert!(lines[0].ends_with(" had to (of all hashes)"), "{lines:?}");
        let row = |name: &str| lines.iter().rev().find(|line| line.trim().starts_with(name)).unwrap();
        assert!(row("a ").ends_with("  0.00%") && row("c ").contains("  0.00%  "), "{lines:?}");
    }

    #[test]
    fn a_preview_refuses_lists_that_do_not_fit() {
        let snapshot = first_snapshot(&Config::parse("web.toml", FILE).unwrap()).unwrap();
        for (add, remove, expected) in [
            ("a", "", "a replica 'a' exists already"),
            ("", "c", "there is no replica 'c'"),
            ("c,c", "", "the name 'c' is there twice"),
            ("c,", "", "an empty name"),
        ] {
            let refused = ring::preview(&snapshot.services[0], &ring::names(add), &ring::names(remove));
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(expected), "{add} {remove}: {refused}");
        }
    }
}
