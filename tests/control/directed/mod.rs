//! Directed scenarios: one thing goes wrong at one place, and every consequence is exact.

mod calls;
mod crashes;
mod deaths;
mod edits;
mod ends;
mod masses;
mod scene;
mod sweeps;
