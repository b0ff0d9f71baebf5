//! How other threads reach a thread that waits in its ring.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};

use crate::engine::executor::Unpark;

/// The descriptor by which other threads end a wait. It is never read: the wait on it ends with each write.
#[derive(Debug)]
pub(super) struct EventFd(OwnedFd);

impl EventFd {
    pub(super) fn new() -> rustix::io::Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(EventFd)
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Unpark for EventFd {
    fn unpark(&self) {
        // Would-block comes after 2^64 writes.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}
