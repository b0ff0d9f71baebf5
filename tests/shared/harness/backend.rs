//! Replicas made of sockets: a thread for each connection plays what a test wrote.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use socket2::{Domain, SockRef, Socket, Type};

use super::clock::PATIENCE;
use super::message::{Dechunker, Fields, head_length};

type Play = Arc<dyn Fn(&mut Peer) + Send + Sync>;

/// A replica. Its port is its own for as long as it lives, whether it listens or not.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    play: Play,
    running: Option<Running>,
    /// Bound but not listening: keeps others from taking the port while the replica is down.
    _reservation: Socket,
}

struct Running {
    listener: TcpListener,
    streams: Receiver<Weak<TcpStream>>,
    accepting: thread::JoinHandle<()>,
}

impl Backend {
    /// A replica that plays `play` on each connection; the connection ends with it.
    pub(crate) fn start(play: impl Fn(&mut Peer) + Send + Sync + 'static) -> Backend {
        let mut backend = Backend::down(play);
        backend.go_up();
        backend
    }

    /// A replica that refuses connections until it goes up.
    pub(crate) fn down(play: impl Fn(&mut Peer) + Send + Sync + 'static) -> Backend {
        let reservation = bound((Ipv4Addr::LOCALHOST, 0).into());
        let address = reservation.local_addr().expect("a socket").as_socket().expect("an address");
        Backend { address, play: Arc::new(play), running: None, _reservation: reservation }
    }

    /// A replica that answers every request with the request as it came, and its own name.
    pub(crate) fn echo(name: &'static str) -> Backend {
        Backend::start(move |peer| peer.echo_all(name))
    }

    /// Begins to listen.
    pub(crate) fn go_up(&mut self) {
        let socket = bound(self.address);
        socket.listen(1024).expect("a socket");
        let listener = TcpListener::from(socket);
        let accepting = listener.try_clone().expect("a socket");
        let (opened, streams) = unbounded();
        let play = self.play.clone();
        let accepting = thread::spawn(move || accept(&accepting, &play, &opened));
        self.running = Some(Running { listener, streams, accepting });
    }

    /// Ends at once, as by a kill: the listener and all connections are gone.
    pub(crate) fn go_down(&mut self) {
        let Some(running) = self.running.take() else { return };
        // Makes `accept` fail.
        let _ = SockRef::from(&running.listener).shutdown(Shutdown::Both);
        let _ = running.accepting.join();
        for stream in running.streams.try_iter().filter_map(|stream| stream.upgrade()) {
            let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.go_down();
    }
}

/// A socket bound so that another one can be bound beside it, as long as one of them listens at most.
pub(crate) fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("a socket");
    socket.bind(&address.into()).unwrap_or_else(|error| panic!("binding {address}: {error}"));
    socket
}

fn accept(listener: &TcpListener, play: &Play, opened: &Sender<Weak<TcpStream>>) {
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nodelay(true).expect("a socket");
        let stream = Arc::new(stream);
        // Nobody is left to cut the connection if this fails.
        let _ = opened.send(Arc::downgrade(&stream));
        let play = play.clone();
        thread::spawn(move || play(&mut Peer { stream, pending: Vec::new() }));
    }
}

/// One connection of a replica.
pub(crate) struct Peer {
    pub(crate) stream: Arc<TcpStream>,
    pending: Vec<u8>,
}

/// A request as a replica sees it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The head, byte for byte.
    pub(crate) head: String,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// `GET /path HTTP/1.1`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn is_head(&self) -> bool {
        self.head.starts_with("HEAD ")
    }
}

impl Peer {
    /// The next request with its body; `None` once the connection has ended.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let mut request = self.head()?;
        if request.fields.one("Transfer-Encoding").is_some() {
            self.chunked(|data| request.body.extend_from_slice(data))?;
        } else if let Some(length) = request.fields.one("Content-Length") {
            let length: usize = length.parse().expect("a length");
            self.at_least(length)?;
            request.body = self.pending.drain(..length).collect();
        }
        Some(request)
    }

    /// Reads a chunked body and gives its data to `out` as it comes.
    pub(crate) fn chunked(&mut self, mut out: impl FnMut(&[u8])) -> Option<()> {
        let mut dechunker = Dechunker::default();
        loop {
            let used = dechunker.feed(&self.pending, &mut out);
            self.pending.drain(..used);
            if dechunker.done {
                return Some(());
            }
            self.read()?;
        }
    }

    /// The next request's head; the body stays to be read.
    pub(crate) fn head(&mut self) -> Option<Request> {
        let length = loop {
            if let Some(length) = head_length(&self.pending) {
                break length;
            }
            self.read()?;
        };
        let head: Vec<u8> = self.pending.drain(..length).collect();
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut fields);
        parsed.parse(&head).unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&head)));
        let fields = Fields::of(parsed.headers);
        Some(Request { head: String::from_utf8_lossy(&head).into_owned(), fields, body: Vec::new() })
    }

    /// Reads until `length` bytes are there that no request has taken.
    pub(crate) fn at_least(&mut self, length: usize) -> Option<()> {
        while self.pending.len() < length {
            self.read()?;
        }
        Some(())
    }

    /// Takes `length` bytes of a body.
    pub(crate) fn take(&mut self, length: usize) -> Option<()> {
        self.at_least(length)?;
        self.pending.drain(..length);
        Some(())
    }

    /// Waits for a byte without reading it; `false` at the connection's end.
    pub(crate) fn has_bytes(&mut self) -> bool {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        matches!(self.stream.peek(&mut [0]), Ok(1))
    }

    /// Waits until the other side ends the connection.
    pub(crate) fn stall(&mut self) {
        while self.read().is_some() {}
    }

    /// What has come, and was not taken, of a protocol that is not HTTP; `None` at its end.
    pub(crate) fn bytes(&mut self) -> Option<Vec<u8>> {
        if self.pending.is_empty() {
            self.read()?;
        }
        Some(std::mem::take(&mut self.pending))
    }

    fn read(&mut self) -> Option<()> {
        let mut part = vec![0; 262_144];
        self.stream.set_read_timeout(None).expect("a socket");
        match (&*self.stream).read(&mut part) {
            Ok(0) | Err(_) => None,
            Ok(length) => {
                self.pending.extend_from_slice(&part[..length]);
                Some(())
            }
        }
    }

    /// Sends all of it; `None` if the connection is gone.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        (&*self.stream).write_all(bytes.as_ref()).ok()
    }

    /// Sends an answer with `body` and these further field lines, each ending in CRLF.
    pub(crate) fn answer(&mut self, fields: &str, body: impl AsRef<[u8]>) -> Option<()> {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat())
    }

    /// Answers all requests with the requests as they came.
    pub(crate) fn echo_all(&mut self, name: &str) {
        while let Some(request) = self.request() {
            let body =
                if request.is_head() { vec![] } else { [request.head.as_bytes(), &request.body].concat() };
            if self.answer(&format!("X-Replica: {name}\r\n"), body).is_none() {
                return;
            }
        }
    }

    /// Makes the end of the connection a reset.
    pub(crate) fn reset(&mut self) {
        let _ = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
    }
}
