//! The control thread as it runs: it carries events to the machine and does what the machine asks for.

mod calls;
mod recovery;
mod run;

pub use calls::{CALLS_MAX, Calls, PendingCall, Unheard, calls};
pub use run::{Control, Stopped, run};
