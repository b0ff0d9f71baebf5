//! Sockets: every option that Ringway sets, and the calls that both engines make, in one place.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, SocketFlags, acceptfrom_with, getsockname, send, sendmsg};
use socket2::{Domain, Protocol, Socket, Type};

/// The length of a listener's queue of connections; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// One listening socket per core on the same address, over which the kernel spreads the connections.
///
/// The first binds without `SO_REUSEPORT`, so that an address in use by another program is an error rather than a share
/// of its connections, and sets it afterwards; the others join. Accepted sockets inherit `TCP_NODELAY`.
///
/// # Errors
/// What the kernel said of the address.
pub fn listen(address: SocketAddr, cores: usize) -> io::Result<Vec<TcpListener>> {
    let first = unbound(address)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let bound = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    for _ in 1..cores {
        let socket = unbound(bound)?;
        socket.set_reuse_port(true)?;
        socket.bind(&bound.into())?;
        sockets.push(socket);
    }
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}

fn unbound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// A socket to connect to `address` with, closed on exec, without Nagle's delay.
///
/// # Errors
/// When descriptors run out.
pub(super) fn outgoing(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// The next connection in a listener's queue, closed on exec, with `flags` besides; its peer's address.
pub(super) fn accept(listener: BorrowedFd<'_>, flags: SocketFlags) -> Result<(OwnedFd, SocketAddr), Errno> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::CLOEXEC | flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    // The kernel leaves the address out only of what is no IP socket.
    Ok((socket, peer.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))))
}

/// Sends what the kernel takes of `parts`, any of which may be empty, in one call. A broken connection is an error, never a
/// signal.
pub(super) fn send_parts(
    socket: BorrowedFd<'_>,
    parts: [&[u8]; 3],
    flags: SendFlags,
) -> Result<usize, Errno> {
    let flags = flags | SendFlags::NOSIGNAL;
    match parts {
        [one, [], []] | [[], one, []] => send(socket, one, flags),
        parts => {
            let parts = parts.map(IoSlice::new);
            sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags)
        }
    }
}

/// The address that a socket is bound to.
pub(super) fn local_address(socket: BorrowedFd<'_>) -> Option<SocketAddr> {
    getsockname(socket).ok().and_then(|address| SocketAddr::try_from(address).ok())
}

/// Makes closing the socket a reset (RST) rather than an end of the stream.
pub(super) fn reset_on_close(socket: BorrowedFd<'_>) {
    // It can fail only on what is no socket.
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_noticed_and_the_cores_share_one_port() {
        let mine = listen("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = mine[0].local_addr().unwrap();
        assert_eq!(mine[1].local_addr().unwrap(), address);
        assert_eq!(listen(address, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
