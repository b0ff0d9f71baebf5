//! What every layer may use: time, policies, counters, mailboxes, health bits. Imports nothing of the project.

pub mod address_counts;
pub mod algorithm;
pub mod calendar;
pub mod command_template;
pub mod core_counters;
pub mod counter;
pub mod engine_address;
pub mod forwarding;
pub mod health;
pub mod key_source;
pub mod mailbox;
pub mod network;
pub mod policy;
pub mod printable;
pub mod random;
pub mod replica_counts;
pub mod replica_name;
pub mod route_match;
pub mod supervision;
pub mod time;
