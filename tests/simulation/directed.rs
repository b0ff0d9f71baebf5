//! Directed scenarios: one thing goes wrong at one place, and every consequence is exact.

mod admission;
mod body_keys;
mod body_rates;
mod bounded_loads;
mod counts;
mod drains;
mod early_answers;
mod failures;
mod membership;
mod network;
mod queue;
mod removals;
mod retries;
mod scene;
mod tunnels;
