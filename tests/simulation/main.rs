//! The data plane in a seeded network: the exchange code that serves in production, on the simulated engine.
//!
//! Clients and backends are tasks of the same virtual network; a seed decides what they do and what goes wrong. The
//! [`ledger`] knows what each client sent and each backend saw, and names every broken promise. `RINGWAY_SEEDS=n` runs
//! n seeds, `RINGWAY_SEED=s` exactly that one.

mod backend;
mod chaos;
mod client;
mod content;
mod directed;
mod ledger;
mod plan;
mod planted;
mod run;
mod saboteur;
mod seeds;
#[path = "../shared/seeds.rs"]
mod shared;
mod stage;
mod wire;
