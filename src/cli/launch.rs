//! `ringway launch ...`: the hidden command that becomes a replica. Only the process provider calls it.

use std::process::ExitCode;

use super::{Failure, tell};
use crate::engine::{descriptors, memory};
use crate::provider::process::Launcher;

/// Returns only if the replica does not run.
pub(super) fn launch(launcher: &Launcher) -> Result<ExitCode, Failure> {
    // What Ringway was started with and does not know of: a pipe of its own parent's, say, which would stay open.
    descriptors::close_on_exec_from(3)?;
    // Inherited from the Ringway that started this; a replica may fare better with huge pages.
    let _ = memory::leave_page_size();
    let error = launcher.launch();
    tell(format_args!("ringway: {error}"));
    Ok(ExitCode::from(error.exit_code()))
}
