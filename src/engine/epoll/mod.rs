//! The engine on epoll: edge-triggered readiness, one registration per connection for its whole life.

mod alarm;
mod reactor;
mod stream;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

pub use stream::{EpollConnect, EpollListener, EpollReader, EpollWriter};

use super::clock::wall_time;
use super::executor::{Driver, Handle};
use super::{Engine, IoError};
use reactor::Reactor;

/// The epoll engine of one thread.
#[derive(Clone, Debug)]
pub struct Epoll {
    handle: Handle,
    reactor: Rc<Reactor>,
}

impl Epoll {
    /// A new engine; use it on this thread.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn new() -> io::Result<Self> {
        let reactor = Rc::new(Reactor::new()?);
        let clock = reactor.clock();
        Ok(Epoll { handle: Handle::new(move || clock.now(), wall_time, reactor.unpark()), reactor })
    }

    /// Runs `main`, and what it spawns, until it is done.
    pub fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        let value = self.handle.run(&*self.reactor, main);
        self.handle.clear();
        value
    }

    /// Accepts from `socket` on this thread.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub fn listener(&self, socket: TcpListener) -> Result<EpollListener, IoError> {
        EpollListener::new(socket, self.handle.buffers().clone(), &self.reactor)
    }
}

impl Engine for Epoll {
    type Reader = EpollReader;
    type Writer = EpollWriter;
    type Listener = EpollListener;
    type Connect = EpollConnect;

    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn connect(&self, address: SocketAddr) -> EpollConnect {
        EpollConnect::new(address, self.handle.buffers().clone(), &self.reactor)
    }
}
