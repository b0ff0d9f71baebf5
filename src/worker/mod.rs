//! The bundled replicas.

pub mod echo;
