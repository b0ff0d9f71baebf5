//! What reading a configuration needs from outside the file, behind a trait so that tests need neither names nor files.

use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

/// Names and files.
pub trait Surroundings {
    /// The addresses of `host:port`. May block; it is called before any core runs.
    fn resolve(&self, host_and_port: &str) -> io::Result<Vec<SocketAddr>>;

    /// A file's bytes, at most `bytes_max` and one more, by which the caller knows that there is more.
    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>>;
}

/// The system's resolver and files.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Surroundings for System {
    fn resolve(&self, host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
        host_and_port.to_socket_addrs().map(Iterator::collect)
    }

    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
