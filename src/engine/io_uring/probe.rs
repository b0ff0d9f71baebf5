//! Whether io_uring can be used here, found out by using it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;

use super::IoUring;
use super::stream::halves;
use crate::engine::{self, Connection, Engine, IoError, Writer};

/// The call that makes a ring.
pub(super) const SETUP: &str = "io_uring_setup";
/// The call that submits and waits.
pub(super) const ENTER: &str = "io_uring_enter";
/// The call that shares buffers with a ring.
pub(super) const REGISTER: &str = "io_uring_register";
/// How long each step of the probe may take.
const STEP_MAX: Duration = Duration::from_secs(1);
/// Where the kernel says whether io_uring is switched off.
const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";

/// Why io_uring cannot be used here, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// `ENOSYS`.
    #[error(
        "{call} is missing: the kernel was built without io_uring, or a seccomp profile answers for it; \
         have the profile allow io_uring_setup, io_uring_enter and io_uring_register, or set engine = \"epoll\""
    )]
    Missing {
        /// The system call.
        call: &'static str,
    },
    /// `EPERM` or `EACCES`, and the kernel says that io_uring is switched off.
    #[error(
        "io_uring is switched off: kernel.io_uring_disabled is {level}; at 1 the members of the group \
         kernel.io_uring_group may use it, at 2 nobody may; ask who set it, or set engine = \"epoll\""
    )]
    SwitchedOff {
        /// The setting: 1 or 2.
        level: u8,
    },
    /// `EPERM` or `EACCES` otherwise.
    #[error(
        "{call} is refused, probably by a seccomp profile or a security module; have it allow io_uring_setup, \
         io_uring_enter and io_uring_register, or set engine = \"epoll\""
    )]
    Refused {
        /// The system call.
        call: &'static str,
    },
    /// `ENOMEM`.
    #[error(
        "{call} finds too little memory: raise the limit of locked memory (ulimit -l, LimitMEMLOCK=), of which each \
         core takes about 128 KiB, or set engine = \"epoll\""
    )]
    LockedMemory {
        /// The system call.
        call: &'static str,
    },
    /// `EINVAL`: the kernel does not know what was asked for.
    #[error(
        "{call} does not offer what is needed: the kernel is older than Linux 5.19; set engine = \"epoll\""
    )]
    TooOld {
        /// The system call.
        call: &'static str,
    },
    /// Any other error of the kernel, by number.
    #[error("{call} failed: {}", io::Error::from_raw_os_error(*.errno))]
    Failed {
        /// The system call.
        call: &'static str,
        /// The error's number.
        errno: i32,
    },
    /// Every call succeeded, but an operation did not do what it should.
    #[error("io_uring does not work: {step}; set engine = \"epoll\"")]
    Broken {
        /// What went wrong.
        step: &'static str,
    },
}

impl Unavailable {
    /// What `error` of the system call `call` means.
    pub(super) fn from_call(call: &'static str, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(0);
        match Errno::from_raw_os_error(errno) {
            Errno::NOSYS => Unavailable::Missing { call },
            Errno::PERM | Errno::ACCESS => match switched_off() {
                Some(level) => Unavailable::SwitchedOff { level },
                None => Unavailable::Refused { call },
            },
            Errno::NOMEM => Unavailable::LockedMemory { call },
            Errno::INVAL => Unavailable::TooOld { call },
            _ => Unavailable::Failed { call, errno },
        }
    }
}

/// The kernel's setting, if it switches io_uring off for anybody. Kernels before 6.6 have none.
fn switched_off() -> Option<u8> {
    let level = std::fs::read_to_string(DISABLED).ok()?.trim().parse().ok()?;
    (level > 0).then_some(level)
}

/// Makes an engine, sends and receives through it, and cancels a receive. Takes well under a millisecond.
///
/// # Errors
/// Why io_uring cannot be used.
pub fn probe() -> Result<(), Unavailable> {
    let engine = IoUring::begin()?;
    let (near, far) = UnixStream::pair().map_err(|error| Unavailable::from_call("socketpair", &error))?;
    let [near, far] = [near, far].map(|end| halves(Rc::new(OwnedFd::from(end).into()), &engine.driver));
    // The near end stays open, so that nothing but the cancellation ends the receive at the far end.
    let _near = engine.run(exchange(engine.clone(), near, far))?;
    if engine.driver.orphans() > 0 {
        return Err(Unavailable::Broken { step: "a cancelled receive did not end" });
    }
    Ok(())
}

type Halves = Connection<super::IoUringReader, super::IoUringWriter>;

async fn exchange(engine: IoUring, mut near: Halves, mut far: Halves) -> Result<Halves, Unavailable> {
    let mut timer = engine.handle().timer();
    let deadline = engine.handle().now() + STEP_MAX;
    near.writer.buffer().extend_from_slice(b"ping");
    if engine::flush(&mut near.writer, &mut timer, deadline).await.is_err() {
        return Err(Unavailable::Broken { step: "a send failed" });
    }
    match engine::read(&mut far.reader, &mut timer, deadline).await {
        Ok(Some(bytes)) if *bytes == *b"ping" => {}
        _ => return Err(Unavailable::Broken { step: "a receive into a provided buffer failed" }),
    }
    // Nothing comes any more: this begins a receive, which the end of the task cancels.
    match engine::read(&mut far.reader, &mut timer, engine.handle().now()).await {
        Err(IoError::TimedOut) => Ok(near),
        _ => Err(Unavailable::Broken { step: "a receive did not wait" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_accepts_this_machine_and_leaves_no_descriptor() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        probe().unwrap();
        let before = open();
        for _ in 0..20 {
            probe().unwrap();
        }
        // Other tests of this process open and close descriptors meanwhile, but not twenty rings.
        assert!(open() < before + 20);
    }

    #[test]
    fn each_error_of_the_kernel_has_its_reason_and_none_advises_to_drop_the_profile() {
        let cases = [
            (Errno::NOSYS, Unavailable::Missing { call: SETUP }),
            (Errno::NOMEM, Unavailable::LockedMemory { call: SETUP }),
            (Errno::INVAL, Unavailable::TooOld { call: SETUP }),
            (Errno::MFILE, Unavailable::Failed { call: SETUP, errno: Errno::MFILE.raw_os_error() }),
        ];
        for (errno, expected) in cases {
            let found = Unavailable::from_call(SETUP, &errno.into());
            assert_eq!(found, expected);
            let words = found.to_string();
            assert!(words.contains(SETUP) && !words.contains("unconfined"), "{words}");
        }
    }
}
