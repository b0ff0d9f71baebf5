//! The program with replicas of its own: real child processes, real signals, real crashes.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

mod calls;
mod crashes;
#[path = "../shared/crowd.rs"]
mod crowd;
mod deaths;
mod failures;
#[allow(dead_code, unused_imports, reason = "it serves other suites, too")]
#[path = "../shared/harness/mod.rs"]
mod harness;
mod load;
#[allow(dead_code, reason = "it serves other suites, too")]
mod stage;
mod starts;
