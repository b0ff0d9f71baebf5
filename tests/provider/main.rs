//! The process provider and the state directory, with real processes.
#![allow(clippy::unwrap_used)]

mod adoption;
mod crash;
mod ending;
mod harness;
mod running;
mod state;
