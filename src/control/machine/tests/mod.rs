//! The machine as a whole, beside a provider, a disk and replicas that do what a test says.

mod life;
mod world;
