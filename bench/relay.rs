//! `relay LISTEN UPSTREAM`: a byte relay, the floor that the proxies are measured against.
//!
//! One thread, edge-triggered epoll, one upstream connection per client connection, no parsing: what is left
//! is the kernel's bill for receiving and sending every message twice. Each socket is registered once, for
//! both directions, so that a request costs two receives, two sends and its share of `epoll_wait`.

use std::net::SocketAddr;
use std::process::ExitCode;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use rustix::net::{self, Shutdown};

mod slots;
mod socket;

use slots::Slots;
use socket::Accepted;

/// The most that one direction of a pair holds back while its target takes no more.
const CHUNK_BYTES: usize = 64 * 1024;
const EVENTS_PER_WAIT: usize = 512;
/// The event data of the listener; a pair's is its key, doubled, plus the side.
const LISTENER: u64 = 1 << 63;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let addresses: Result<Vec<SocketAddr>, _> = arguments.iter().map(|text| text.parse()).collect();
    let Ok([listen, upstream]) = addresses.as_deref() else {
        eprintln!("usage: relay LISTEN UPSTREAM, both as ADDRESS:PORT");
        return ExitCode::from(2);
    };
    match Relay::start(listen, *upstream).and_then(|mut relay| relay.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Relay {
    epoll: OwnedFd,
    listener: OwnedFd,
    upstream: SocketAddr,
    pairs: Slots<Pair>,
    chunk: Vec<u8>,
    /// Clients wait in the backlog for a descriptor; the listener's edge is spent.
    out_of_descriptors: bool,
}

impl Relay {
    fn start(listen: &SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        socket::raise_descriptor_limit()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listener = socket::listen(listen)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN | EventFlags::ET)?;
        let chunk = vec![0; CHUNK_BYTES];
        Ok(Self { epoll, listener, upstream, pairs: Slots::new(), chunk, out_of_descriptors: false })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_PER_WAIT);
        loop {
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept_all()?,
                    data => self.advance(data / 2, (data % 2) as usize, event.flags),
                }
            }
            if self.out_of_descriptors {
                self.accept_all()?;
            }
        }
    }

    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            match socket::accept(&self.listener)? {
                Accepted::Connection(client) => {
                    // A client without an upstream connection is closed; the others go on.
                    if let Err(error) = self.open_pair(client) {
                        eprintln!("relay: no upstream connection: {error}");
                    }
                }
                Accepted::Nobody => {
                    self.out_of_descriptors = false;
                    return Ok(());
                }
                Accepted::OutOfDescriptors => {
                    self.out_of_descriptors = true;
                    return Ok(());
                }
            }
        }
    }

    fn open_pair(&mut self, client: OwnedFd) -> io::Result<()> {
        let upstream = socket::stream_socket(&self.upstream)?;
        match net::connect(&upstream, &self.upstream) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let key = self.pairs.insert(Pair::new([client, upstream]));
        self.watch(key).inspect_err(|_| self.pairs.remove(key))
    }

    fn watch(&mut self, key: u64) -> io::Result<()> {
        let Some(pair) = self.pairs.find(key) else { return Ok(()) };
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        for (side, socket) in pair.sockets.iter().enumerate() {
            epoll::add(&self.epoll, socket, EventData::new_u64(key * 2 + side as u64), interest)?;
        }
        Ok(())
    }

    fn advance(&mut self, key: u64, side: usize, flags: EventFlags) {
        let Some(pair) = self.pairs.find(key) else { return };
        match pair.advance(side, flags, &mut self.chunk) {
            Ok(Progress::Open) => {}
            // A reset on one side closes both: there is nobody left to tell.
            Ok(Progress::Finished) | Err(_) => self.pairs.remove(key),
        }
    }
}

enum Progress {
    Open,
    Finished,
}

/// A client's socket (side 0), its upstream socket (side 1) and the two directions between them.
struct Pair {
    sockets: [OwnedFd; 2],
    /// `directions[side]` carries what `sockets[side]` sends.
    directions: [Direction; 2],
}

impl Pair {
    fn new(sockets: [OwnedFd; 2]) -> Self {
        Self { sockets, directions: [Direction::default(), Direction::default()] }
    }

    fn advance(&mut self, side: usize, flags: EventFlags, chunk: &mut [u8]) -> io::Result<Progress> {
        let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if ending || flags.contains(EventFlags::IN) {
            self.directions[side].readable = true;
            self.directions[side].ending |= ending;
            self.pump(side, chunk)?;
        }
        if flags.contains(EventFlags::OUT) && self.directions[1 - side].is_held_back() {
            self.pump(1 - side, chunk)?;
        }
        let finished = self.directions.iter().all(|direction| direction.finished);
        Ok(if finished { Progress::Finished } else { Progress::Open })
    }

    fn pump(&mut self, side: usize, chunk: &mut [u8]) -> io::Result<()> {
        self.directions[side].pump(&self.sockets[side], &self.sockets[1 - side], chunk)
    }
}

#[derive(Default)]
struct Direction {
    /// Bytes that the target did not take, at most `CHUNK_BYTES`; nothing is read while there are any.
    pending: Vec<u8>,
    pending_sent: usize,
    /// The source may have more: an edge came, and no short read since.
    readable: bool,
    /// The source's end is on its way, so a short read is not the last one.
    ending: bool,
    /// The source ended, and the target was told.
    finished: bool,
}

impl Direction {
    fn is_held_back(&self) -> bool {
        self.pending_sent < self.pending.len()
    }

    /// Moves bytes until the source has none left or the target takes no more.
    fn pump(&mut self, source: &OwnedFd, target: &OwnedFd, chunk: &mut [u8]) -> io::Result<()> {
        while self.send_pending(target)? && self.readable && !self.finished {
            match socket::receive(source, chunk)? {
                None => self.readable = false,
                Some(0) => {
                    net::shutdown(target, Shutdown::Write)?;
                    self.finished = true;
                }
                Some(count) => {
                    // After a short read, a later byte makes a new edge: the receive that would
                    // only say EAGAIN is saved.
                    self.readable = count == chunk.len() || self.ending;
                    let sent = socket::send(target, &chunk[..count])?;
                    self.pending.extend_from_slice(&chunk[sent..count]);
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is held back any more.
    fn send_pending(&mut self, target: &OwnedFd) -> io::Result<bool> {
        while self.is_held_back() {
            let sent = socket::send(target, &self.pending[self.pending_sent..])?;
            if sent == 0 {
                return Ok(false);
            }
            self.pending_sent += sent;
        }
        self.pending.clear();
        self.pending_sent = 0;
        Ok(true)
    }
}
