//! What every layer may use: time, ids, counters. Imports nothing of the project.

pub mod time;
