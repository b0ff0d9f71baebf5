//! The control thread as it runs: it carries events to the machine and does what the machine asks for.

mod calls;
mod carrier;
mod heartbeat;
mod lag;
mod providers;
mod publication;
mod run;
pub mod storage;

pub use calls::{CALLS_MAX, Calls, PendingCall, Unheard, calls};
pub use carrier::{Carrier, Parts, StateWriter};
pub use providers::Providers;
pub use publication::with_members;
pub use run::{Control, Stopped, run};
