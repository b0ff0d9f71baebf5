//! What every layer may use: time, ids, counters. Imports nothing of the project.

pub mod core_counters;
pub mod counter;
pub mod mailbox;
pub mod time;
