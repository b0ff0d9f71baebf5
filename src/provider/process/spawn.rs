//! The launcher's arguments and surroundings.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::identity::NONCE_VARIABLE;
use super::plan::{CommandLine, ProcessPlan};
use crate::provider::Instance;

/// The command that becomes the replica. The configured environment comes first: what tells the instance from others
/// cannot be overridden by it.
pub(super) fn command(
    launcher: &Path,
    plan: &ProcessPlan,
    instance: &Instance,
    line: CommandLine,
    claim: &Path,
    log: File,
) -> io::Result<Command> {
    let mut command = Command::new(launcher);
    command.arg0("ringway").arg("launch").arg("--claim").arg(claim);
    if let Some(directory) = plan.directory() {
        command.arg("--directory").arg(directory);
    }
    if let Some(user) = plan.user() {
        command.arg("--user").arg(user);
    }
    command.arg("--").args(line.arguments);
    command.envs(line.environment);
    command.env(NONCE_VARIABLE, &*instance.intent.nonce);
    command.env("RINGWAY_SERVICE", plan.service());
    command.env("RINGWAY_REPLICA", instance.name.as_str());
    if let Some(port) = instance.intent.port() {
        command.env("RINGWAY_PORT", port.to_string());
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}
