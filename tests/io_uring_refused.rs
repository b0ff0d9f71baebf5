//! Where io_uring is refused, the probe says what refuses it, and nothing hangs.
//!
//! Each case runs in a thread of its own under a seccomp filter, as a container's profile would install it: a filter binds
//! the thread that installs it and ends with it, so that neither the machine nor the other tests notice.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use ringway::engine::io_uring::{IoUring, Unavailable, probe};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Numbers of system calls, the same on every architecture.
const SETUP: i64 = 425;
const ENTER: i64 = 426;
const REGISTER: i64 = 427;

/// Runs `check` where `call` is answered with `errno`.
fn under_filter<T: Send + 'static>(call: i64, errno: Errno, check: fn() -> T) -> T {
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
