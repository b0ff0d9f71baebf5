//! Directed scenarios: one thing goes wrong at one place, and every consequence is exact.
