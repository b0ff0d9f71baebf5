//! Directed scenarios: one thing goes wrong at one place, and every consequence is exact.

mod drains;
mod early_answers;
mod failures;
mod membership;
mod network;
mod queue;
mod retries;
mod scene;
mod tunnels;
