//! The program with containers of a real engine. What no real engine does on demand is asked of a played one, in
//! `docker_fake`.
//!
//! The engine is the one that `DOCKER_HOST` or the default socket means; without one the tests say that they are skipped.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

mod adoption;
mod calls;
#[path = "../shared/containers.rs"]
mod containers;
#[path = "../shared/crowd.rs"]
mod crowd;
mod cycles;
mod deaths;
mod docker;
mod engine_faults;
mod failures;
#[allow(dead_code, unused_imports, reason = "it serves other suites, too")]
#[path = "../shared/harness/mod.rs"]
mod harness;
mod own_engine;
mod scene;
#[allow(dead_code, reason = "it serves another suite, too")]
#[path = "../replicas/stage.rs"]
mod stage;
