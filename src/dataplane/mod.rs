//! Where the exchange's decisions meet an engine: one core's listeners, connections, pools and bodies.
//!
//! The way of a request: [`worker`] accepts where `admission` finds room (`turn_away` has the rest, `balance` says for which core), `client` reads the
//! head, `exchange` picks a replica and moves head and body over an `upstream` connection, `transfer` relays bodies,
//! `tunnel` what is no HTTP any more. Everything is generic over the engine, and the simulated one runs all of it.

mod admission;
mod attempt;
mod balance;
mod body_key;
mod client;
mod core;
mod date;
mod download;
mod exchange;
mod in_flight;
mod load;
mod pace;
mod refusal;
mod request;
mod transfer;
mod tunnel;
mod turn_away;
mod uploads;
mod upstream;
pub mod worker;

pub use self::core::CoreSettings;
pub use admission::Capacity;
pub use balance::{Balance, CoreLoad, Entrance};
pub use worker::{DrainReport, run_core};
