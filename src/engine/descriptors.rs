//! Descriptors that this process was started with.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Lets no descriptor from `first` up pass into the program that this process executes. What opened here has that mark
/// anyway; what a parent passed on may not.
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&descriptor| descriptor >= first)
        .collect();
    for descriptor in open {
        // SAFETY: the number is not -1, being one that the system listed. If it was closed since, as that of the listing
        // itself is, the call below fails with EBADF and nothing else happens; if it means another file by then, that one
        // gets the mark that all of ours have. Nothing is read, written or closed.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        match fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(rustix::io::Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
