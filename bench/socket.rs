//! What the benchmark's two servers ask of sockets, without `unsafe`: listen, accept, receive, send.

use std::net::SocketAddr;

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};
use rustix::process::{Resource, getrlimit, setrlimit};

/// The kernel caps this at `net.core.somaxconn`; a load tester opens all its connections at once.
const BACKLOG: i32 = 16_384;

/// Raises the soft limit of open descriptors to the hard one.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
}

/// A socket that does not block and sends without delay, for either role.
pub(crate) fn stream_socket(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

/// A listener on `address`.
pub(crate) fn listen(address: &SocketAddr) -> io::Result<OwnedFd> {
    let socket = stream_socket(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, address)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// What a listener had to give.
pub(crate) enum Accepted {
    /// The next connection.
    Connection(OwnedFd),
    /// Nobody waits; epoll reports the next one.
    Nobody,
    /// Somebody waits, but this process has no descriptor left, and no edge will tell of them again.
    OutOfDescriptors,
}

/// Takes the next connection; those that ended while they waited are passed over.
pub(crate) fn accept(listener: &OwnedFd) -> io::Result<Accepted> {
    loop {
        match net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => {
                sockopt::set_tcp_nodelay(&socket, true)?;
                return Ok(Accepted::Connection(socket));
            }
            Err(Errno::AGAIN) => return Ok(Accepted::Nobody),
            Err(Errno::MFILE | Errno::NFILE) => return Ok(Accepted::OutOfDescriptors),
            Err(Errno::CONNABORTED | Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Receives once: `None` where nothing waits, `Some(0)` at the end of the stream.
pub(crate) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match io::retry_on_intr(|| net::recv(&socket, &mut *buffer, RecvFlags::empty())) {
        Ok((_, count)) => Ok(Some(count)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends once: how many bytes the kernel took, 0 where its buffer is full.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    match io::retry_on_intr(|| net::send(&socket, bytes, SendFlags::NOSIGNAL)) {
        Err(Errno::AGAIN) => Ok(0),
        sent => sent,
    }
}
