//! `ringway` without arguments: the embedded default.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::thread;

use super::{Failure, run, worker};
use crate::config::Config;

/// How many echo workers stand behind the embedded default.
const WORKERS: usize = 3;

/// Serves 127.0.0.1:5000 in front of three echo workers on ports of their own, each a thread of this process.
pub(super) fn run() -> Result<ExitCode, Failure> {
    let mut addresses = String::new();
    for number in 1..=WORKERS {
        let socket = worker::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let name = format!("Server-{number}");
        write!(addresses, "{{ name = \"{name}\", address = \"{}\" }}, ", socket.local_addr()?)?;
        thread::Builder::new().name(name.clone()).spawn(move || {
            if let Err(failure) = worker::serve_echo(socket, name) {
                eprintln!("ringway: a worker stopped: {failure}");
            }
        })?;
    }
    let text = format!(
        "[listen]\nhttp = \"127.0.0.1:5000\"\n\n[[service]]\nname = \"echo\"\n\
         key = [\"header:x-request-id\", \"random\"]\n\
         replicas = {{ provider = \"static\", addresses = [{addresses}] }}\n"
    );
    eprintln!("no configuration given: serving the embedded default; try\n  curl http://127.0.0.1:5000/home");
    run::serve(&Config::parse("(embedded default)", &text)?)
}
