//! Where io_uring is refused, the probe says what refuses it, and nothing hangs.
//!
//! Each case runs in a thread of its own under a seccomp filter, as a container's profile would install it: a filter binds
//! the thread that installs it and ends with it, so that neither the machine nor the other tests notice.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use ringway::engine::io_uring::{IoUring, Unavailable, probe};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Numbers of system calls, the same on every architecture.
const SETUP: i64 = 425;
const ENTER: i64 = 426;
const REGISTER: i64 = 427;

/// Runs `check`, and the processes that it starts, where `call` is answered with `errno`.
fn under_filter<T: Send + 'static>(call: i64, errno: Errno, check: impl FnOnce() -> T + Send + 'static) -> T {
    let refuse = SeccompAction::Errno(errno.raw_os_error() as u32);
    let rules = BTreeMap::from([(call, Vec::new())]);
    let architecture = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).unwrap();
    let program = BpfProgram::try_from(filter).unwrap();
    std::thread::spawn(move || {
        seccompiler::apply_filter(&program).unwrap();
        check()
    })
    .join()
    .unwrap()
}

#[test]
fn the_probe_names_the_call_and_the_reason() {
    let (setup, enter, register) = ("io_uring_setup", "io_uring_enter", "io_uring_register");
    let cases = [
        (SETUP, Errno::PERM, Unavailable::Refused { call: setup }),
        (SETUP, Errno::ACCESS, Unavailable::Refused { call: setup }),
        (SETUP, Errno::NOSYS, Unavailable::Missing { call: setup }),
        (SETUP, Errno::NOMEM, Unavailable::LockedMemory { call: setup }),
        (SETUP, Errno::INVAL, Unavailable::TooOld { call: setup }),
        (SETUP, Errno::MFILE, Unavailable::Failed { call: setup, errno: Errno::MFILE.raw_os_error() }),
        (REGISTER, Errno::PERM, Unavailable::Refused { call: register }),
        (REGISTER, Errno::INVAL, Unavailable::TooOld { call: register }),
        (REGISTER, Errno::NOMEM, Unavailable::LockedMemory { call: register }),
        (ENTER, Errno::PERM, Unavailable::Refused { call: enter }),
        (ENTER, Errno::NOSYS, Unavailable::Missing { call: enter }),
    ];
    for (call, errno, expected) in cases {
        assert_eq!(under_filter(call, errno, probe), Err(expected), "call {call}, {errno}");
    }
}

#[test]
fn an_engine_that_cannot_begin_carries_the_reason_in_its_error() {
    let words = under_filter(SETUP, Errno::PERM, || IoUring::new().map(drop).unwrap_err().to_string());
    assert!(words.contains("seccomp profile") && words.contains("engine = \"epoll\""), "{words}");
}

#[test]
fn a_filter_of_something_else_does_not_disturb_the_probe() {
    const PERSONALITY: i64 = if cfg!(target_arch = "x86_64") { 135 } else { 92 };
    assert_eq!(under_filter(PERSONALITY, Errno::PERM, probe), Ok(()));
}

/// A configuration file for `engine`, removed when dropped.
struct File(PathBuf);

impl File {
    fn with_engine(engine: &str, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringway-refused-{}-{name}.toml", std::process::id()));
        let text = format!(
            "engine = \"{engine}\"\ncores = 1\n[listen]\nhttp = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"
        );
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn run(&self) -> Child {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ringway"));
        program.args(["run", "-c"]).arg(&self.0).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves one request, which no service takes, and returns the log up to then.
fn log_until_served(mut child: Child) -> String {
    let mut log = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    while !log.contains("starting") {
        assert_ne!(lines.read_line(&mut log).unwrap(), 0, "ended before it served: {log}");
    }
    let line = log.lines().find(|line| line.contains("listening for clients")).unwrap();
    let address = line.rsplit_once("address=").unwrap().1.trim();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    child.kill().unwrap();
    child.wait().unwrap();
    log
}

#[test]
fn under_auto_the_program_falls_back_to_epoll_and_says_why_in_one_line() {
    for (call, errno, reason) in [
        (SETUP, Errno::PERM, "io_uring_setup is refused"),
        (SETUP, Errno::NOSYS, "io_uring_setup is missing"),
        (SETUP, Errno::NOMEM, "locked memory"),
        (REGISTER, Errno::INVAL, "io_uring_register"),
    ] {
        let log = under_filter(call, errno, move || {
            log_until_served(File::with_engine("auto", &format!("{call}-{}", errno.raw_os_error())).run())
        });
        let told: Vec<&str> = log.lines().filter(|line| line.contains("falls back to epoll")).collect();
        assert_eq!(told.len(), 1, "{log}");
        assert!(told[0].contains(reason), "{reason}: {log}");
        assert!(log.contains("engine=\"epoll\""), "{log}");
    }
}

#[test]
fn an_engine_that_was_asked_for_by_name_is_an_error_where_it_is_refused() {
    let file = File::with_engine("io_uring", "asked");
    let output = under_filter(SETUP, Errno::PERM, move || file.run().wait_with_output().unwrap());
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("engine = \"io_uring\" cannot run here: io_uring_setup is refused"), "{words}");
}
