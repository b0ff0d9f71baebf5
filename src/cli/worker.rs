//! `ringway worker ...`.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use super::{Failure, limits};
use crate::engine::epoll::Epoll;
use crate::engine::socket;
use crate::worker::echo;

/// Serves as an echo worker until the process is ended.
pub(super) fn echo(listen: SocketAddr, id: Option<String>) -> Result<ExitCode, Failure> {
    limits::raise_descriptors();
    let socket = bind(listen)?;
    let address = socket.local_addr()?;
    let id = id.unwrap_or_else(|| address.to_string());
    eprintln!("echo worker '{id}' listens on {address}");
    serve_echo(socket, id)?;
    Ok(ExitCode::SUCCESS)
}

/// Serves on this thread, for ever.
pub(super) fn serve_echo(socket: TcpListener, id: String) -> Result<(), Failure> {
    let engine = Epoll::new()?;
    let listener = engine.listener(socket)?;
    engine.run(echo::serve(engine.clone(), listener, id));
    Ok(())
}

/// One listening socket.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let sockets =
        socket::listen(address, 1).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    sockets.into_iter().next().ok_or_else(|| format!("no socket for {address}").into())
}
