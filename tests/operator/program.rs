//! The real program as a child process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ringway");

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) error: String,
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_remove("RINGWAY_ADMIN").env_remove("RINGWAY_TOKEN_FILE").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn ringway(arguments: &[&str]) -> Done {
    done(command(arguments).output().unwrap())
}

pub(crate) fn done(output: Output) -> Done {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

/// An echo worker; killed with its value.
pub(crate) struct Worker {
    child: Child,
    pub(crate) address: SocketAddr,
    error: BufReader<ChildStderr>,
}

impl Worker {
    pub(crate) fn start(options: &[&str]) -> Worker {
        let arguments = [&["worker", "echo", "--listen", "127.0.0.1:0", "--id", "w"], options].concat();
        let mut child = command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut error = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        error.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().parse();
        let address = address.unwrap_or_else(|_| panic!("no address in: {line}"));
        Worker { child, address, error }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; what it wrote to standard output, and had still to say.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.error, &mut said).unwrap();
        let mut out = String::new();
        std::io::Read::read_to_string(&mut self.child.stdout.take().unwrap(), &mut out).unwrap();
        (self.child.wait().unwrap(), out, said)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
