//! What every layer may use: time, policies, key sources, match rules, health bits. Imports nothing of the project.

pub mod health;
pub mod key_source;
pub mod policy;
pub mod route_match;
pub mod time;
