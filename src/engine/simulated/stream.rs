//! The halves of a simulated connection.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::link::Side;
use super::world::World;
use crate::engine::buffer::{BufferPool, Lent};
use crate::engine::outbound::Outbound;
use crate::engine::{Connection, IoError, Reader, Writer};

pub(super) type SimulatedConnection = Connection<SimulatedReader, SimulatedWriter>;

/// One end of a connection. It closes when its last half is dropped.
#[derive(Debug)]
struct Socket {
    world: Rc<RefCell<World>>,
    link: u64,
    side: Side,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut world = self.world.borrow_mut();
        world.descriptors -= 1;
        world.close(self.link, self.side);
    }
}

pub(super) fn halves(
    world: &Rc<RefCell<World>>,
    link: u64,
    side: Side,
    pool: &BufferPool,
) -> SimulatedConnection {
    let socket = Rc::new(Socket { world: world.clone(), link, side });
    Connection {
        reader: SimulatedReader { socket: socket.clone(), pool: pool.clone() },
        writer: SimulatedWriter { socket, outbound: Outbound::new(pool.clone()), taken: 0 },
    }
}

/// The receiving half of a simulated connection.
#[derive(Debug)]
pub struct SimulatedReader {
    socket: Rc<Socket>,
    pool: BufferPool,
}

impl Reader for SimulatedReader {
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Lent>, IoError>> {
        let Socket { world, link, side } = &*self.socket;
        let mut block = self.pool.take_block();
        match world.borrow_mut().read(*link, *side, &mut block, context) {
            Poll::Ready(Ok(length)) if length > 0 => Poll::Ready(Ok(Some(self.pool.lend(block, length)))),
            other => {
                self.pool.give_block(block);
                other.map_ok(|_| None)
            }
        }
    }

    fn is_quiet(&mut self) -> bool {
        let Socket { world, link, side } = &*self.socket;
        world.borrow_mut().links.get_mut(link).is_some_and(|link| link.end(*side).is_quiet())
    }
}

/// The sending half of a simulated connection.
#[derive(Debug)]
pub struct SimulatedWriter {
    socket: Rc<Socket>,
    outbound: Outbound,
    taken: u64,
}

impl Writer for SimulatedWriter {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.outbound.buffer()
    }

    fn lend(&mut self, bytes: Lent) {
        self.outbound.lend(bytes);
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        let Socket { world, link, side } = &*self.socket;
        while !self.outbound.is_empty() {
            let written = world.borrow_mut().write(*link, *side, self.outbound.slices(), context);
            match ready!(written) {
                Ok(count) => {
                    self.taken += count as u64;
                    self.outbound.advance(count);
                }
                Err(error) => {
                    self.outbound.clear();
                    return Poll::Ready(Err(error));
                }
            }
        }
        self.outbound.clear();
        Poll::Ready(Ok(()))
    }

    fn taken(&self) -> u64 {
        self.taken
    }

    fn local_address(&self) -> Option<SocketAddr> {
        let Socket { world, link, side } = &*self.socket;
        world.borrow().links.get(link).map(|link| link.address(*side))
    }

    fn shutdown(&mut self) {
        self.socket.world.borrow_mut().shut(self.socket.link, self.socket.side);
    }

    fn abort(&mut self) {
        self.outbound.clear();
        self.socket.world.borrow_mut().reset(self.socket.link, self.socket.side);
    }
}
