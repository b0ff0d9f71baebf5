//! The control machine in a seeded world: the code that decides in production, with a disk, a provider, cores and operators
//! that fail around it.
//!
//! A seed decides what goes wrong; the [`judge`], the [`operator`] and the [`world`] know what was done, and name every
//! broken promise. `RINGWAY_SEEDS=n` runs n seeds, `RINGWAY_SEED=s` exactly that one, with its diary.

mod acts;
mod cores;
mod directed;
mod disk;
mod judge;
mod ledger;
mod neglect;
mod operator;
mod plan;
mod planted;
mod provider;
mod run;
mod saboteur;
mod seeds;
mod settled;
#[path = "../shared/seeds.rs"]
mod shared;
mod stage;
mod suffer;
mod timeline;
mod trouble;
mod world;
