//! The bundled replicas.

mod behaviour;
pub mod echo;

pub use behaviour::{EchoOptions, Heartbeat};
