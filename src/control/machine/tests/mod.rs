//! The machine as a whole, beside a provider, a disk and replicas that do what a test says.

mod adoption;
mod calls;
mod detection;
mod life;
mod removal;
mod shutdown;
mod storage;
mod walk;
mod world;
