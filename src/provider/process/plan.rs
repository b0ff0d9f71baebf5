//! What the replicas of a service run.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::base::replica_name::ReplicaName;
use crate::base::supervision::StopSignal;
use crate::config::ProcessConfig;

/// How the replicas of one service are started.
#[derive(Clone, Debug)]
pub struct ProcessPlan {
    service: Box<str>,
    config: ProcessConfig,
}

/// A command for one replica, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// Added to Ringway's own environment.
    pub environment: Vec<(String, String)>,
}

impl ProcessPlan {
    /// The plan of the service with this name.
    pub fn new(service: &str, config: ProcessConfig) -> Self {
        ProcessPlan { service: service.into(), config }
    }

    /// The command of the replica `name`, which is to listen on `port`. The only place that reads templates.
    pub(super) fn command_line(&self, port: u16, name: &ReplicaName) -> Result<CommandLine, String> {
        let ringway = std::env::current_exe()
            .map_err(|error| format!("cannot start: where this program is, is unknown: {error}"))?;
        let ringway = ringway.to_string_lossy();
        let expand = |template: &str| expand(template, port, name.as_str(), &ringway);
        let environment = self.config.environment.iter();
        Ok(CommandLine {
            arguments: self.config.command.iter().map(|template| expand(template)).collect(),
            environment: environment.map(|(key, value)| (key.to_string(), expand(value))).collect(),
        })
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    pub(super) fn directory(&self) -> Option<&Path> {
        self.config.directory.as_deref()
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.config.user.as_deref()
    }

    pub(super) fn ports(&self) -> Option<&RangeInclusive<u16>> {
        self.config.ports.as_ref()
    }

    pub(super) fn stop_signal(&self) -> StopSignal {
        self.config.supervision.stop_signal
    }
}

fn expand(template: &str, port: u16, name: &str, ringway: &str) -> String {
    template.replace("{port}", &port.to_string()).replace("{name}", name).replace("{ringway}", ringway)
}
