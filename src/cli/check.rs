//! `ringway check FILE`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{Failure, tell};
use crate::config::Config;
use crate::control;

/// Reads the file and says what is wrong with it, all at once.
pub(super) fn check(path: &Path) -> Result<ExitCode, Failure> {
    match Config::load(path) {
        Ok(config) => {
            control::first_specs(&config).map_err(|error| format!("{}: {error}", path.display()))?;
            let replicas: usize = config.services.iter().map(|service| service.replicas.count()).sum();
            let (path, services) = (path.display(), config.services.len());
            // The exit code says it as well, whoever reads this.
            let _ = writeln!(io::stdout(), "{path}: valid; {services} services, {replicas} replicas");
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            tell(errors);
            Ok(ExitCode::FAILURE)
        }
    }
}
