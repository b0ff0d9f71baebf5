//! `upstream LISTEN...`: the HTTP/1.1 server behind every proxy of the benchmark, made to cost next to nothing.
//!
//! One thread, edge-triggered epoll, prebuilt answers. The first segment of the path is the size of the body
//! (`/16384/any`; 128 bytes where it is no number); `/count` answers with the number of requests answered so
//! far, itself left out, so that whoever measures can count requests over any window. Connections are kept
//! alive always, and requests may be pipelined. A POST is never answered: what follows it on its connection is
//! read and thrown away. Other requests with a body are not understood.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};

mod slots;
mod socket;

use slots::Slots;
use socket::Accepted;

const BODY_BYTES_DEFAULT: usize = 128;
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many sizes are kept ready at once.
const SIZES_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 16 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
const EVENTS_PER_WAIT: usize = 512;
/// The event data of a listener is its index with this bit; a connection's is its key.
const LISTENER: u64 = 1 << 63;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let addresses: Result<Vec<SocketAddr>, _> = arguments.iter().map(|text| text.parse()).collect();
    let addresses = addresses.unwrap_or_default();
    if addresses.is_empty() {
        eprintln!("usage: upstream LISTEN..., each as ADDRESS:PORT");
        return ExitCode::from(2);
    }
    match Upstream::start(&addresses).and_then(|mut upstream| upstream.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Upstream {
    epoll: OwnedFd,
    listeners: Vec<OwnedFd>,
    connections: Slots<Connection>,
    answers: Answers,
    chunk: Vec<u8>,
    /// Somebody waits in a backlog for a descriptor; that listener's edge is spent.
    out_of_descriptors: bool,
}

impl Upstream {
    fn start(addresses: &[SocketAddr]) -> io::Result<Self> {
        socket::raise_descriptor_limit()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listeners = addresses.iter().map(socket::listen).collect::<io::Result<Vec<_>>>()?;
        for (index, listener) in listeners.iter().enumerate() {
            let data = EventData::new_u64(LISTENER | index as u64);
            epoll::add(&epoll, listener, data, EventFlags::IN | EventFlags::ET)?;
        }
        Ok(Self {
            epoll,
            listeners,
            connections: Slots::new(),
            answers: Answers::new(),
            chunk: vec![0; CHUNK_BYTES],
            out_of_descriptors: false,
        })
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
                    data if data & LISTENER != 0 => self.accept_all((data & !LISTENER) as usize)?,
                    key => self.advance(key, event.flags),
                }
            }
            if std::mem::take(&mut self.out_of_descriptors) {
                (0..self.listeners.len()).try_for_each(|index| self.accept_all(index))?;
            }
        }
    }

    fn accept_all(&mut self, index: usize) -> io::Result<()> {
        loop {
            match socket::accept(&self.listeners[index])? {
                Accepted::Connection(socket) => self.open(socket)?,
                Accepted::Nobody => return Ok(()),
                Accepted::OutOfDescriptors => {
                    self.out_of_descriptors = true;
                    return Ok(());
                }
            }
        }
    }

    fn open(&mut self, socket: OwnedFd) -> io::Result<()> {
        let key = self.connections.insert(Connection::new(socket));
        let Some(connection) = self.connections.find(key) else { return Ok(()) };
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &connection.socket, EventData::new_u64(key), interest)
    }

    fn advance(&mut self, key: u64, flags: EventFlags) {
        let Some(connection) = self.connections.find(key) else { return };
        match connection.advance(flags, &mut self.answers, &mut self.chunk) {
            Ok(Progress::Open) => {}
            Ok(Progress::Finished) | Err(_) => self.connections.remove(key),
        }
    }
}

enum Progress {
    Open,
    Finished,
}

struct Connection {
    socket: OwnedFd,
    /// The beginning of a head whose end has not come, at most `HEAD_BYTES_MAX`.
    partial_head: Vec<u8>,
    /// Answers not sent in full; nothing is read while there are any, so one read's worth of requests at most.
    unsent: VecDeque<Rc<[u8]>>,
    /// How much of the first of them is sent.
    sent: usize,
    /// There may be more to read: an edge came, and no short read since.
    readable: bool,
    /// The client's end is on its way, so a short read is not the last one.
    ending: bool,
    /// A POST came.
    swallows: bool,
}

impl Connection {
    fn new(socket: OwnedFd) -> Self {
        let (partial_head, unsent) = (Vec::new(), VecDeque::new());
        Self { socket, partial_head, unsent, sent: 0, readable: false, ending: false, swallows: false }
    }

    fn advance(
        &mut self,
        flags: EventFlags,
        answers: &mut Answers,
        chunk: &mut [u8],
    ) -> io::Result<Progress> {
        let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        self.ending |= ending;
        self.readable |= ending || flags.contains(EventFlags::IN);
        while self.send_unsent()? && self.readable {
            match socket::receive(&self.socket, chunk)? {
                None => self.readable = false,
                Some(0) => return Ok(Progress::Finished),
                Some(count) => {
                    self.readable = count == chunk.len() || self.ending;
                    self.answer(&chunk[..count], answers);
                    if self.partial_head.len() > HEAD_BYTES_MAX {
                        return Ok(Progress::Finished);
                    }
                }
            }
        }
        Ok(Progress::Open)
    }

    fn answer(&mut self, received: &[u8], answers: &mut Answers) {
        if self.swallows {
            return;
        }
        if self.partial_head.is_empty() {
            let consumed = answers.answer_all(received, &mut self.unsent);
            self.swallows = received[consumed..].starts_with(b"POST ");
            if !self.swallows {
                self.partial_head.extend_from_slice(&received[consumed..]);
            }
        } else {
            self.partial_head.extend_from_slice(received);
            let consumed = answers.answer_all(&self.partial_head, &mut self.unsent);
            self.partial_head.drain(..consumed);
        }
    }

    /// Whether nothing is left to send.
    fn send_unsent(&mut self) -> io::Result<bool> {
        while let Some(answer) = self.unsent.front() {
            let count = socket::send(&self.socket, &answer[self.sent..])?;
            if count == 0 {
                return Ok(false);
            }
            self.sent += count;
            if self.sent == answer.len() {
                self.unsent.pop_front();
                self.sent = 0;
            }
        }
        Ok(true)
    }
}

/// The prebuilt answers, shared by all connections, and how many were given.
struct Answers {
    by_body_size: Vec<(usize, Rc<[u8]>)>,
    refusal: Rc<[u8]>,
    given: u64,
}

impl Answers {
    fn new() -> Self {
        Self { by_body_size: Vec::new(), refusal: response("400 Bad Request", b""), given: 0 }
    }

    /// Appends the answers to all complete requests, and returns how many bytes those requests had.
    fn answer_all(&mut self, requests: &[u8], answers: &mut VecDeque<Rc<[u8]>>) -> usize {
        let mut consumed = 0;
        while let Some(length) = head_length(&requests[consumed..]) {
            if requests[consumed..].starts_with(b"POST ") {
                break;
            }
            let head = &requests[consumed..consumed + length];
            answers.push_back(self.answer(head));
            consumed += length;
        }
        consumed
    }

    fn answer(&mut self, head: &[u8]) -> Rc<[u8]> {
        let Some(path) = head.strip_prefix(b"GET /") else { return Rc::clone(&self.refusal) };
        if path.starts_with(b"count ") {
            return response("200 OK", self.given.to_string().as_bytes());
        }
        self.given += 1;
        match body_size(path) {
            Some(size) => self.of_size(size),
            None => Rc::clone(&self.refusal),
        }
    }

    fn of_size(&mut self, size: usize) -> Rc<[u8]> {
        if let Some((_, answer)) = self.by_body_size.iter().find(|(known, _)| *known == size) {
            return Rc::clone(answer);
        }
        if self.by_body_size.len() == SIZES_MAX {
            self.by_body_size.clear();
        }
        let answer = response("200 OK", &vec![b'x'; size]);
        self.by_body_size.push((size, Rc::clone(&answer)));
        answer
    }
}

/// The length of the first head, its empty line included.
fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|position| position + 4)
}

/// The size that a path (without its first slash) asks for; `None` beyond `BODY_BYTES_MAX`.
fn body_size(path: &[u8]) -> Option<usize> {
    let digits = path.iter().take_while(|byte| byte.is_ascii_digit());
    let mut size = None;
    for digit in digits {
        size = Some(size.unwrap_or(0) * 10 + usize::from(digit - b'0'));
        if size > Some(BODY_BYTES_MAX) {
            return None;
        }
    }
    Some(size.unwrap_or(BODY_BYTES_DEFAULT))
}

fn response(status: &str, body: &[u8]) -> Rc<[u8]> {
    let head = format!(
        "HTTP/1.1 {status}\r\nServer: upstream\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}
