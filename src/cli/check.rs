//! `ringway check FILE`.

use std::path::Path;
use std::process::ExitCode;

use super::Failure;
use crate::config::Config;
use crate::control;

/// Reads the file and says what is wrong with it, all at once.
pub(super) fn check(path: &Path) -> Result<ExitCode, Failure> {
    match Config::load(path) {
        Ok(config) => {
            control::first_specs(&config).map_err(|error| format!("{}: {error}", path.display()))?;
            let replicas: usize = config.services.iter().map(|service| service.replicas.count()).sum();
            println!("{}: valid; {} services, {replicas} replicas", path.display(), config.services.len());
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            eprintln!("{errors}");
            Ok(ExitCode::FAILURE)
        }
    }
}
