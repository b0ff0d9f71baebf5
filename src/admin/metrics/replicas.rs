//! The part of the page that is about single replicas.

use std::fmt::{self, Write};

use super::Page;
use crate::base::counter::Counter;
use crate::base::replica_counts::Counts;
use crate::control::view::{ReplicaState, ReplicaView, View};
use crate::placement::{Replica, RouteRule, Service};

/// All states, so that each has a line for each replica and none disappears from a chart.
const STATES: [ReplicaState; 8] = [
    ReplicaState::Waiting,
    ReplicaState::CrashLoop,
    ReplicaState::Starting,
    ReplicaState::Active,
    ReplicaState::Suspect,
    ReplicaState::Down,
    ReplicaState::Draining,
    ReplicaState::Stopping,
];

impl Page<'_> {
    /// What the cores know: the snapshot's replicas.
    pub(super) fn placed_replicas(&mut self) {
        self.of_placed("replica_up", "gauge", "Whether a replica may be picked.", |replica| {
            u64::from(replica.health.is_up())
        });
        self.count("replica_in_flight", "gauge", "Exchanges under way on a replica now.", |counts| {
            &counts.in_flight
        });
        self.count("replica_attempts_total", "counter", "Attempts that picked a replica.", |counts| {
            &counts.attempts
        });
        self.count(
            "replica_answers_total",
            "counter",
            "Answers of a replica whose head came whole.",
            |counts| &counts.answers,
        );
        self.count(
            "replica_failures_total",
            "counter",
            "Attempts on a replica that got no answer.",
            |counts| &counts.failures,
        );
    }

    /// What control knows: members, and replicas on their way out.
    pub(super) fn viewed_replicas(&mut self) {
        let view = self.shared.view();
        self.head("replica_state", "gauge", "1 for the state in which a replica is, 0 for each other.");
        for (service, replica) in viewed(&view) {
            for state in STATES {
                let labels =
                    Labels(&[("service", service), ("replica", &replica.name), ("state", state.name())]);
                let value = u8::from(replica.state == state);
                let _ = writeln!(self.text, "ringway_replica_state{labels} {value}");
            }
        }
        self.head("restarts_total", "counter", "How often a replica was started again.");
        for (service, replica) in viewed(&view) {
            let labels = Labels(&[("service", service), ("replica", &replica.name)]);
            let _ = writeln!(self.text, "ringway_restarts_total{labels} {}", replica.restarts);
        }
        self.head("storage_fault", "gauge", "Whether the state file could not be written last time.");
        let _ = writeln!(self.text, "ringway_storage_fault {}", u8::from(view.storage_fault.is_some()));
    }

    /// The engines of containers. One that was never reached has no age.
    pub(super) fn container_engines(&mut self) {
        let engines = self.shared.engines();
        if engines.is_empty() {
            return;
        }
        self.head("container_engine_up", "gauge", "Whether an engine of containers answers.");
        for engine in engines.iter() {
            let labels = Labels(&[("engine", &engine.address)]);
            let up = u8::from(engine.fault.is_none() && engine.sync_age.is_some());
            let _ = writeln!(self.text, "ringway_container_engine_up{labels} {up}");
        }
        let help = "How long ago all that is known of an engine's containers was confirmed last.";
        self.head("container_engine_sync_age_seconds", "gauge", help);
        for engine in engines.iter() {
            let (labels, Some(age)) = (Labels(&[("engine", &engine.address)]), engine.sync_age) else {
                continue;
            };
            let age = age.as_secs_f64();
            let _ = writeln!(self.text, "ringway_container_engine_sync_age_seconds{labels} {age}");
        }
    }

    fn count(&mut self, name: &str, kind: &str, help: &str, count: impl Fn(&Counts) -> &Counter) {
        self.of_placed(name, kind, help, |replica| replica.counts.sum(&count));
    }

    fn of_placed(&mut self, name: &str, kind: &str, help: &str, value: impl Fn(&Replica) -> u64) {
        self.head(name, kind, help);
        let snapshot = self.shared.snapshots.current();
        for service in snapshot.services.iter().filter(|service| is_operators(service)) {
            for replica in &service.replicas {
                let labels = Labels(&[("service", &service.name), ("replica", &replica.name)]);
                let _ = writeln!(self.text, "ringway_{name}{labels} {}", value(replica));
            }
        }
    }
}

/// Whether the configuration names the service; those of reserved paths are Ringway's own.
fn is_operators(service: &Service) -> bool {
    !matches!(service.route, RouteRule::Reserved(_))
}

fn viewed(view: &View) -> impl Iterator<Item = (&str, &ReplicaView)> {
    let services = view.services.iter();
    services.flat_map(|service| service.replicas.iter().map(|replica| (&*service.name, replica)))
}

/// Labels in braces. In a value, backslash, quote and line feed are escaped, and nothing else: so the text format has it.
struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            write!(formatter, "{}{name}=\"", if index == 0 { '{' } else { ',' })?;
            for character in value.chars() {
                match character {
                    '\\' => formatter.write_str("\\\\")?,
                    '"' => formatter.write_str("\\\"")?,
                    '\n' => formatter.write_str("\\n")?,
                    other => formatter.write_char(other)?,
                }
            }
            formatter.write_char('"')?;
        }
        formatter.write_char('}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped_as_the_format_says() {
        let labels = Labels(&[("a", "plain [::1]:80"), ("b", "x\"y\\z\nw\té'")]);
        assert_eq!(labels.to_string(), "{a=\"plain [::1]:80\",b=\"x\\\"y\\\\z\\nw\té'\"}");
    }
}
