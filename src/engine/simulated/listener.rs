//! Listeners and attempts of the simulated network.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::link::Side;
use super::stream::{SimulatedConnection, SimulatedReader, SimulatedWriter, halves};
use super::world::World;
use crate::engine::buffer::BufferPool;
use crate::engine::{Accepted, Incoming, IoError, Listener};

/// A listening socket of the simulated network. Dropping it resets what nobody accepted.
#[derive(Debug)]
pub struct SimulatedListener {
    world: Rc<RefCell<World>>,
    pool: BufferPool,
    id: u64,
    address: SocketAddr,
}

impl SimulatedListener {
    pub(super) fn open(
        world: &Rc<RefCell<World>>,
        address: SocketAddr,
        pool: &BufferPool,
    ) -> Result<Self, IoError> {
        let (id, address) = world.borrow_mut().listen(address)?;
        Ok(SimulatedListener { world: world.clone(), pool: pool.clone(), id, address })
    }
}

impl Listener for SimulatedListener {
    type Socket = SimulatedConnection;
    type Reader = SimulatedReader;
    type Writer = SimulatedWriter;

    fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Incoming<SimulatedConnection>>, IoError>> {
        let next = ready!(self.world.borrow_mut().accept(self.id, self.address, context));
        Poll::Ready(next.map(|next| {
            next.map(|(link, peer)| {
                let socket = halves(&self.world, link, Side::Server, &self.pool);
                Incoming { socket, peer }
            })
        }))
    }

    fn adopt(
        &mut self,
        Incoming { socket, peer }: Incoming<SimulatedConnection>,
    ) -> Result<Accepted<SimulatedReader, SimulatedWriter>, IoError> {
        Ok(Accepted { connection: socket, peer })
    }

    fn stop(&mut self) {
        self.world.borrow_mut().stop(self.id, self.address);
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        self.world.borrow_mut().unlisten(self.id, self.address);
    }
}

/// A connection being made in the simulated network.
#[derive(Debug)]
pub struct SimulatedConnect {
    world: Rc<RefCell<World>>,
    pool: BufferPool,
    attempt: u64,
}

impl SimulatedConnect {
    pub(super) fn begin(world: &Rc<RefCell<World>>, address: SocketAddr, pool: &BufferPool) -> Self {
        let attempt = world.borrow_mut().connect(address);
        SimulatedConnect { world: world.clone(), pool: pool.clone(), attempt }
    }
}

impl Future for SimulatedConnect {
    type Output = Result<SimulatedConnection, IoError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.world.borrow_mut().poll_connect(self.attempt, context));
        Poll::Ready(outcome.map(|link| halves(&self.world, link, Side::Client, &self.pool)))
    }
}

impl Drop for SimulatedConnect {
    fn drop(&mut self) {
        self.world.borrow_mut().cancel(self.attempt);
    }
}
