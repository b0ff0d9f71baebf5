//! The program with containers of an engine that does what no real one will do on demand.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

mod adoption;
mod contained;
#[path = "../shared/containers.rs"]
mod containers;
mod ends;
mod engine_faults;
#[allow(dead_code, reason = "the tests look at parts of it")]
mod fake;
#[allow(dead_code, unused_imports, reason = "it serves other suites, too")]
#[path = "../shared/harness/mod.rs"]
mod harness;
mod life;
mod scene;
#[allow(dead_code, reason = "it serves another suite, too")]
#[path = "../replicas/stage.rs"]
mod stage;
mod starts;
