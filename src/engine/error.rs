//! What can go wrong when bytes move.

use rustix::io::Errno;

/// Why an operation of an engine failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IoError {
    /// The deadline came first. The operation goes on in its half, if it has one.
    #[error("timed out")]
    TimedOut,
    /// The peer cut the connection.
    #[error("connection reset by peer")]
    Reset,
    /// Nobody listens at the address.
    #[error("connection refused")]
    Refused,
    /// No route to the address.
    #[error("host or network unreachable")]
    Unreachable,
    /// The stream was ended, by the peer or by us, before this write.
    #[error("connection closed")]
    Closed,
    /// Descriptors, ports or memory ran out on this machine.
    #[error("out of descriptors, ports or memory")]
    Exhausted,
    /// Any other error of the kernel, by number.
    #[error("{}", std::io::Error::from_raw_os_error(*.0))]
    Other(i32),
}

impl From<Errno> for IoError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::CONNRESET | Errno::CONNABORTED => IoError::Reset,
            Errno::CONNREFUSED => IoError::Refused,
            Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::NETDOWN => IoError::Unreachable,
            Errno::PIPE | Errno::NOTCONN | Errno::SHUTDOWN => IoError::Closed,
            Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::AGAIN
            | Errno::ADDRNOTAVAIL => IoError::Exhausted,
            Errno::TIMEDOUT => IoError::TimedOut,
            other => IoError::Other(other.raw_os_error()),
        }
    }
}

impl From<std::io::Error> for IoError {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).map_or(IoError::Other(0), IoError::from)
    }
}
