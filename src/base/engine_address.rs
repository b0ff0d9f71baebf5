//! Where a container engine is reached.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

/// The port of an engine without TLS, where the address names none.
const PLAIN_PORT: u16 = 2_375;
/// The longest path of a socket that Linux takes (`sun_path` with its NUL).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The longest name of a host (RFC 1035 2.3.4).
const HOST_BYTES_MAX: usize = 255;

/// An engine's address, as `DOCKER_HOST` has it: `unix:///var/run/docker.sock`, `tcp://10.0.0.7:2376`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineAddress {
    /// A socket of this machine.
    Unix(Box<Path>),
    /// A host and a port, over TLS where the environment says so.
    Tcp {
        /// A name, or an IP address without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
    },
}

/// A string is no [`EngineAddress`]. The texts say what to write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineAddressError {
    /// A way to an engine that Ringway does not go.
    #[error("'{0}' is no address of an engine; write unix:///PATH or tcp://HOST:PORT")]
    Scheme(Box<str>),
    /// No path, a relative one, or one that no socket can have.
    #[error(
        "'{0}' names no socket; write unix:// and an absolute path of at most {SOCKET_PATH_BYTES_MAX} bytes"
    )]
    Socket(Box<str>),
    /// No host, or no port.
    #[error("'{0}' names no host and port; write it as tcp://10.0.0.7:2376 or tcp://[::1]:2376")]
    Host(Box<str>),
}

impl EngineAddress {
    /// The socket that engines have unless they are told otherwise.
    pub fn default_socket() -> Self {
        EngineAddress::Unix(Path::new("/var/run/docker.sock").into())
    }
}

impl FromStr for EngineAddress {
    type Err = EngineAddressError;

    fn from_str(written: &str) -> Result<Self, EngineAddressError> {
        let quoted = || Box::from(written.escape_default().take(120).collect::<String>());
        match written.split_once("://") {
            Some(("unix", path)) => socket(path).ok_or_else(|| EngineAddressError::Socket(quoted())),
            Some(("tcp", host)) => host_and_port(host).ok_or_else(|| EngineAddressError::Host(quoted())),
            _ => Err(EngineAddressError::Scheme(quoted())),
        }
    }
}

fn socket(path: &str) -> Option<EngineAddress> {
    let proper = path.starts_with('/') && path.len() <= SOCKET_PATH_BYTES_MAX && !path.contains('\0');
    proper.then(|| EngineAddress::Unix(Path::new(path).into()))
}

fn host_and_port(written: &str) -> Option<EngineAddress> {
    let written = written.strip_suffix('/').unwrap_or(written);
    let (host, rest) = match written.strip_prefix('[') {
        Some(inner) => inner.split_once(']').filter(|(host, _)| host.contains(':'))?,
        None => written.split_at(written.find(':').unwrap_or(written.len())),
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => PLAIN_PORT,
        None => return None,
        Some(port) => {
            Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?
        }
    };
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let proper = (1..=HOST_BYTES_MAX).contains(&host.len()) && host.bytes().all(is_host_byte) && port != 0;
    proper.then(|| EngineAddress::Tcp { host: host.into(), port })
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineAddress::Unix(path) => write!(formatter, "unix://{}", path.display()),
            EngineAddress::Tcp { host, port } if host.contains(':') => {
                write!(formatter, "tcp://[{host}]:{port}")
            }
            EngineAddress::Tcp { host, port } => write!(formatter, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host_and_shows_itself_as_written() {
        for written in [
            "unix:///var/run/docker.sock",
            "unix:///run/user/1000/docker.sock",
            "tcp://10.0.0.7:2376",
            "tcp://engine.example:1",
            "tcp://[::1]:2376",
        ] {
            assert_eq!(written.parse::<EngineAddress>().unwrap().to_string(), written);
        }
        assert_eq!(EngineAddress::default_socket().to_string(), "unix:///var/run/docker.sock");
        for (written, shown) in [("tcp://engine", "tcp://engine:2375"), ("tcp://a:7/", "tcp://a:7")] {
            assert_eq!(written.parse::<EngineAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_told_what_to_write() {
        let long = format!("unix:///{}", "x".repeat(SOCKET_PATH_BYTES_MAX));
        for (written, said) in [
            ("", "write unix:///PATH or tcp://HOST:PORT"),
            ("/var/run/docker.sock", "write unix:///PATH"),
            ("ssh://user@host", "is no address of an engine"),
            ("npipe:////./pipe/docker_engine", "is no address"),
            ("unix://docker.sock", "an absolute path"),
            ("unix://", "an absolute path"),
            (&long, "at most 107 bytes"),
            ("tcp://", "tcp://10.0.0.7:2376"),
            ("tcp://:2375", "names no host"),
            ("tcp://a:0", "names no host"),
            ("tcp://a:65536", "names no host"),
            ("tcp://a:+1", "names no host"),
            ("tcp://a b:1", "names no host"),
            ("tcp://[::1:1", "names no host"),
            ("tcp://[a]:1", "names no host"),
            ("tcp://a:1/path", "names no host"),
        ] {
            let error = written.parse::<EngineAddress>().unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{written}: {error}");
        }
    }
}
