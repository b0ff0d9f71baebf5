//! Ringway: an ingress proxy that owns its replicas.
//!
//! The layers, lowest first; each imports only what stands above it here (`tests/layers.rs` keeps that so):
//! [`base`]; [`message`], [`placement`], [`engine`], [`config`]; [`h1`]; [`proxy`]; [`dataplane`]; [`provider`]; [`control`];
//! [`admin`]; [`worker`], [`load`]; [`cli`].
//!
//! The main path, for one request: [`dataplane::worker`] accepts a connection from an [`engine`], [`h1`] parses the
//! head, [`placement`] finds service, slot and replicas, [`proxy`] decides what is forwarded, answered and tried again,
//! and the data plane moves the bytes.
#![warn(missing_docs)]

pub mod admin;
pub mod base;
pub mod cli;
pub mod config;
pub mod control;
pub mod dataplane;
pub mod engine;
pub mod h1;
pub mod load;
pub mod message;
pub mod placement;
pub mod provider;
pub mod proxy;
pub mod worker;
