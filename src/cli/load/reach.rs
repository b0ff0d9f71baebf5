//! Which of a server's addresses answers.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::load::requests::Target;

/// The most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;

/// The first of the server's addresses that accepts a connection within `timeout`; otherwise what each of them said, and
/// what to do.
pub(super) fn resolve(target: &Target, timeout: Duration) -> Result<SocketAddr, String> {
    let addresses = (target.host(), target.port()).to_socket_addrs().map_err(|error| {
        format!("no address is known for '{}': {error}; check the name, or write an address", target.host())
    })?;
    let mut refusals = Vec::new();
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(_) => return Ok(address),
            Err(error) => refusals.push(format!("{address}: {error}")),
        }
    }
    Err(format!(
        "nothing accepts connections at {}: {}; start the server, or correct the URL",
        target.authority(),
        if refusals.is_empty() { "it has no address".to_owned() } else { refusals.join(", ") }
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// An address where nothing listens, and what keeps it from being given to somebody else.
    pub(in crate::cli::load) fn deaf() -> (Socket, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    }

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn at(authority: &str) -> Result<SocketAddr, String> {
        resolve(&format!("http://{authority}/path").parse().unwrap(), TIMEOUT)
    }

    #[test]
    fn the_address_that_accepts_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(at(&address.to_string()), Ok(address));
        assert_eq!(at(&format!("localhost:{}", address.port())), Ok(address));
    }

    #[test]
    fn where_nothing_listens_the_address_and_the_remedy_are_named() {
        let (_held, address) = deaf();
        let error = at(&address.to_string()).unwrap_err();
        assert!(
            error.starts_with(&format!(
                "nothing accepts connections at {address}: {address}: Connection refused"
            )) && error.ends_with("; start the server, or correct the URL"),
            "{error}"
        );
    }

    #[test]
    fn a_name_without_address_is_named() {
        // No label is as long as this (RFC 1035 2.3.4), which shows without asking a name server.
        let name = "a".repeat(64);
        let error = at(&name).unwrap_err();
        assert!(error.starts_with(&format!("no address is known for '{name}': ")), "{error}");
    }
}
