//! A configuration whose replicas are containers, for a real engine or one that is played.

use crate::harness::clock::poll;
use crate::stage::Ringway;

pub(crate) const THREE: [&str; 3] = ["Server-1", "Server-2", "Server-3"];

/// Which of a service's keys a test chooses.
pub(crate) struct Service<'a> {
    /// Keys of the table `service`.
    pub(crate) keys: &'a str,
    /// Keys of the table `replicas`; those that are here are not given a default.
    pub(crate) replicas: &'a str,
}

impl Service<'_> {
    /// The configuration of a Ringway that is called `name`, with a service `web` of three containers at this engine.
    pub(crate) fn at(&self, engine: &str, name: &str, image: &str) -> String {
        let Service { keys, replicas } = self;
        let default = |key: &str, value: &str| match replicas.contains(&format!("{key} =")) {
            true => String::new(),
            false => format!("{key} = {value}\n"),
        };
        let defaults: String = [
            ("count", "3"),
            ("image", &format!("\"{image}\"")),
            ("backoff_min_ms", "20"),
            ("backoff_max_ms", "200"),
            ("port", "5000"),
        ]
        .iter()
        .map(|(key, value)| default(key, value))
        .collect();
        format!(
            "[state]\nname = \"{name}\"\n[[service]]\nname = \"web\"\n{keys}\n[service.replicas]\nprovider = \"docker\"\n\
             engine = \"{engine}\"\n{defaults}{replicas}\n"
        )
    }
}

/// Why a replica's last instance ended, once it is in this state.
pub(crate) fn await_failure(ringway: &Ringway, name: &str, said: &str) -> serde_json::Value {
    poll(&format!("{name} to have failed with '{said}'"), || {
        let replica = ringway.replica(0, name)?;
        let reason = replica["last_failure"]["reason"].as_str()?;
        reason.contains(said).then(|| replica.clone())
    })
}
