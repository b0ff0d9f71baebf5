//! `ringway` without arguments: the embedded default.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Failure, run, tell};
use crate::config::Config;
use crate::control::Storage;

/// System A: three servers as child processes of this program on a ring of 512 slots, and the control calls on the same
/// address as the servers.
const CONFIG: &str = r#"
[listen]
http = "127.0.0.1:5000"
[admin]
listen = "127.0.0.1:8081"
on_ingress = true
[[service]]
name = "echo"
key = ["json:request_id", "header:x-request-id", "random"]
placement = { algorithm = "slots" }
[service.replicas]
provider = "process"
count = 3
command = ["{ringway}", "worker", "echo", "--listen", "127.0.0.1:{port}", "--id", "{name}"]
"#;

/// Serves 127.0.0.1:5000 in front of three echo workers.
pub(super) fn run() -> Result<ExitCode, Failure> {
    let directory = state_directory()?;
    let text = format!("[state]\ndirectory = {}\n{CONFIG}", toml_string(&directory)?);
    tell("no configuration given: serving the embedded default; try\n  curl http://127.0.0.1:5000/home");
    let code = run::serve(&Config::parse("(embedded default)", &text)?)?;
    // Stopped in order, nothing is left to be found again: the next start begins with three, as this one did. After a
    // hasty stop, or beside a program that has begun meanwhile, the file is what replicas are found by.
    if code == ExitCode::SUCCESS
        && let Ok((_held, _)) = Storage::open(&directory)
    {
        let _ = fs::remove_file(directory.join("state.json"));
    }
    Ok(code)
}

/// One for each user, since its lock and its logs belong to whoever runs the program.
///
/// # Errors
/// Where no home is known and somebody else made the directory that stands in for one, in a place where anybody may.
fn state_directory() -> Result<PathBuf, Failure> {
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let of_user = || absolute(env::var_os("XDG_STATE_HOME")?.into());
    let of_home = || absolute(env::var_os("HOME")?.into()).map(|home| home.join(".local/state"));
    if let Some(base) = of_user().or_else(of_home) {
        return Ok(base.join("ringway"));
    }
    let user = rustix::process::getuid().as_raw();
    let directory = env::temp_dir().join(format!("ringway-{user}"));
    match fs::symlink_metadata(&directory) {
        Ok(found) if !found.is_dir() || found.uid() != user => {
            Err(format!("{} belongs to somebody else; set HOME or XDG_STATE_HOME", directory.display())
                .into())
        }
        _ => Ok(directory),
    }
}

fn toml_string(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or("the home directory's name is not UTF-8; set XDG_STATE_HOME")?;
    Ok(toml::Value::from(text).to_string())
}
