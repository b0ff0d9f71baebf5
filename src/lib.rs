//! Ringway: an ingress proxy that owns its replicas.
#![warn(missing_docs)]

pub mod base;
pub mod config;
pub mod dataplane;
pub mod engine;
pub mod h1;
pub mod message;
pub mod placement;
pub mod proxy;
