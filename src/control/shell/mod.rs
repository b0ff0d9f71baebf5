//! The control thread as it runs: it carries events to the machine and does what the machine asks for.

mod recovery;
mod run;
pub mod storage;

pub use run::{Control, Stopped, run};
