//! Connection attempts over the driver.

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use socket2::SockAddr;

use super::driver::{Place, UringDriver};
use super::operation::{Kept, Socket};
use super::stream::{UringConnection, halves};
use crate::engine::{IoError, socket};

/// A connection being made on io_uring. It begins at once, not with the first poll.
#[derive(Debug)]
pub struct IoUringConnect {
    attempt: Result<Attempt, IoError>,
}

#[derive(Debug)]
struct Attempt {
    place: Place,
    socket: Rc<Socket>,
}

impl IoUringConnect {
    pub(super) fn new(address: SocketAddr, driver: &Rc<UringDriver>) -> Self {
        IoUringConnect { attempt: Attempt::begin(address, driver) }
    }
}

impl Attempt {
    fn begin(address: SocketAddr, driver: &Rc<UringDriver>) -> Result<Self, IoError> {
        let socket = Rc::new(Socket::from(OwnedFd::from(socket::outgoing(address)?)));
        let address = Box::new(SockAddr::from(address));
        let place = Place::new(driver, Kept::Connect { socket: socket.clone(), address });
        place.start();
        Ok(Attempt { place, socket })
    }
}

impl Future for IoUringConnect {
    type Output = Result<UringConnection, IoError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let completion = match &self.attempt {
            Ok(attempt) => ready!(attempt.place.poll(context)),
            Err(error) => return Poll::Ready(Err(*error)),
        };
        let result = completion.map_or(Ok(0), |completion| completion.result());
        let attempt = std::mem::replace(&mut self.attempt, Err(IoError::Closed))?;
        result?;
        Poll::Ready(Ok(halves(attempt.socket, attempt.place.driver())))
    }
}
