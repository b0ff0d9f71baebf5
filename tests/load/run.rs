//! One run of the program, and what it said.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::harness::Engine;
use crate::harness::proxy::{Folder, PROGRAM, Process};

/// A run that goes on.
pub(crate) struct Run {
    process: Process,
    pub(crate) folder: Folder,
}

/// A run that ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    /// What it wrote to standard error.
    pub(crate) said: String,
    /// What it wrote with --json; `Null` if nothing.
    pub(crate) summary: Value,
    pub(crate) folder: Folder,
}

impl Run {
    /// Starts `ringway load` against `path` of `address`; `{folder}` in an argument is the run's folder.
    pub(crate) fn start(engine: Engine, address: SocketAddr, path: &str, arguments: &str) -> Run {
        Run::start_with(engine, address, path, arguments, |_| {})
    }

    /// As [`Run::start`], after `prepare` has put files into its folder.
    pub(crate) fn start_with(
        engine: Engine,
        address: SocketAddr,
        path: &str,
        arguments: &str,
        prepare: impl FnOnce(&Folder),
    ) -> Run {
        let folder = Folder::new();
        prepare(&folder);
        let home = folder.path("").to_str().unwrap().to_owned();
        let mut command = Command::new(PROGRAM);
        command.args(["load", "--engine", engine.0, "--json"]).arg(folder.path("summary.json"));
        command.args(arguments.split_ascii_whitespace().map(|word| word.replace("{folder}", &home)));
        command.arg(format!("http://{address}{path}"));
        Run { process: Process::spawn(&mut command), folder }
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn end(self) -> Outcome {
        let ended = self.process.wait();
        let summary = fs::read(self.folder.path("summary.json")).unwrap_or_default();
        let outcome = Outcome {
            code: ended.status.code(),
            said: ended.log,
            summary: serde_json::from_slice(&summary).unwrap_or(Value::Null),
            folder: self.folder,
        };
        if !outcome.summary.is_null() {
            outcome.assert_that_all_is_counted_once();
        }
        outcome
    }
}

impl Outcome {
    /// The figure at a JSON pointer, which must be there.
    pub(crate) fn figure(&self, pointer: &str) -> f64 {
        let value = self.summary.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no {pointer} in {}\n{}", self.summary, self.said))
    }

    /// Begun, answered, refused, failed and unfinished requests.
    pub(crate) fn counts(&self) -> [u64; 5] {
        ["begun", "answered", "refused", "failed", "unfinished"]
            .map(|name| self.figure(&format!("/requests/{name}")) as u64)
    }

    /// Whatever happens, a request that was begun, or was due, has one end; and the timeline tells of the same.
    fn assert_that_all_is_counted_once(&self) {
        let [begun, answered, refused, failed, unfinished] = self.counts();
        let of_kind = |failures: &[(String, u64)], kind| {
            failures.iter().filter(|(name, _)| name == kind).map(|(_, count)| count).sum::<u64>()
        };
        let never_sent = of_kind(&self.failures(), "never_sent");
        let ended = answered + refused + failed + unfinished;
        assert_eq!(begun + never_sent, ended, "{}\n{}", self.summary, self.said);
        let rows = self.summary["timeline"]["rows"].as_array().unwrap();
        let sums = ["answers", "refusals", "failures"]
            .map(|name| rows.iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>());
        assert_eq!(sums, [answered, refused, failed], "{}\n{}", self.summary, self.said);
    }

    /// Failures by kind.
    pub(crate) fn failures(&self) -> Vec<(String, u64)> {
        let failures = self.summary["failures"].as_array().cloned().unwrap_or_default();
        let each = failures.iter().map(|failure| {
            (failure["kind"].as_str().unwrap().to_owned(), failure["count"].as_u64().unwrap())
        });
        each.collect()
    }
}

/// A run from its beginning to its end.
pub(crate) fn load(engine: Engine, address: SocketAddr, path: &str, arguments: &str) -> Outcome {
    Run::start(engine, address, path, arguments).end()
}
