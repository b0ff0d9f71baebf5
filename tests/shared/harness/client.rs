//! A client made of a socket: what it sends is written out, what it gets is read strictly.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::clock::PATIENCE;
use super::message::{Dechunker, Fields, head_length};

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pending: Vec<u8>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As its framing says.
    Complete,
    /// The connection ended before: the client sees a failure.
    Cut,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: u8,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.one(name)
    }

    /// The name of the replica that answered.
    pub(crate) fn replica(&self) -> String {
        self.field("X-Replica").unwrap_or_else(|| panic!("no replica answered: {self:?}")).to_owned()
    }
}

/// What came of reading once.
enum Got {
    Bytes,
    End,
    Nothing,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::of(
            TcpStream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}")),
        )
    }

    /// A connection from an address of this machine.
    pub(crate) fn connect_from(from: IpAddr, to: SocketAddr) -> Client {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
        socket
            .bind(&SocketAddr::new(from, 0).into())
            .unwrap_or_else(|error| panic!("binding {from}: {error}"));
        socket.connect(&to.into()).unwrap_or_else(|error| panic!("connecting to {to}: {error}"));
        Client::of(socket.into())
    }

    pub(crate) fn of(stream: TcpStream) -> Client {
        stream.set_nodelay(true).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        Client { stream, pending: Vec::new() }
    }

    /// Sends all of it. The peer may have answered and left before it had read all: then the answer tells.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.stream.write_all(bytes.as_ref()) {
            let left = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind());
            assert!(left, "awaited for {PATIENCE:?}: the peer to take a request: {error}");
        }
    }

    /// Ends its own stream.
    pub(crate) fn shut(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The final answer to a request with an ordinary method; interim ones are passed over.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET").expect("an answer, but the connection ended")
    }

    /// The final answer; `None` if the connection ended before its head was complete.
    pub(crate) fn answer_to(&mut self, method: &str) -> Option<Answer> {
        loop {
            let answer = self.head()?;
            if answer.status >= 200 || answer.status == 101 {
                return Some(self.body(answer, method));
            }
        }
    }

    /// The next head, of an interim or a final answer, with the body still to come.
    pub(crate) fn head(&mut self) -> Option<Answer> {
        let length = loop {
            if let Some(length) = head_length(&self.pending) {
                break length;
            }
            match self.read(PATIENCE) {
                Got::Bytes => {}
                Got::End => return None,
                Got::Nothing => panic!("awaited for {PATIENCE:?}: a head; there is {:?}", self.seen()),
            }
        };
        let head: Vec<u8> = self.pending.drain(..length).collect();
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        parsed.parse(&head).unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&head)));
        Some(Answer {
            status: parsed.code.expect("a status"),
            version: parsed.version.expect("a version"),
            fields: Fields::of(parsed.headers),
            body: Vec::new(),
            end: End::Complete,
        })
    }

    /// Reads the body of an answer to `method`.
    pub(crate) fn body(&mut self, mut answer: Answer, method: &str) -> Answer {
        if method == "HEAD" || matches!(answer.status, 101 | 204 | 304) {
            return answer;
        }
        if answer.fields.one("Transfer-Encoding").is_some() {
            (answer.body, answer.end) = self.chunked();
        } else if let Some(length) = answer.fields.one("Content-Length") {
            let length: usize = length.parse().expect("a length");
            answer.end = self.until(|pending| pending.len() >= length);
            answer.body = self.pending.drain(..length.min(self.pending.len())).collect();
        } else {
            answer.end = self.until_close();
            answer.body = std::mem::take(&mut self.pending);
        }
        answer
    }

    fn chunked(&mut self) -> (Vec<u8>, End) {
        let (mut dechunker, mut body) = (Dechunker::default(), Vec::new());
        loop {
            let used = dechunker.feed(&self.pending, |data| body.extend_from_slice(data));
            self.pending.drain(..used);
            if dechunker.done {
                return (body, End::Complete);
            }
            match self.read(PATIENCE) {
                Got::Bytes => {}
                Got::End => return (body, End::Cut),
                Got::Nothing => panic!("awaited for {PATIENCE:?}: a chunk, after {} bytes", body.len()),
            }
        }
    }

    fn until(&mut self, complete: impl Fn(&[u8]) -> bool) -> End {
        while !complete(&self.pending) {
            match self.read(PATIENCE) {
                Got::Bytes => {}
                Got::End => return End::Cut,
                Got::Nothing => panic!("awaited for {PATIENCE:?}: a body's rest, after {:?}", self.seen()),
            }
        }
        End::Complete
    }

    /// Reads to the stream's end: in order, or broken off.
    fn until_close(&mut self) -> End {
        let mut part = [0; 65536];
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return End::Complete,
                Ok(length) => self.pending.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    panic!("awaited for {PATIENCE:?}: the connection's end, after {:?}", self.seen())
                }
                Err(_) => return End::Cut,
            }
        }
    }

    /// Exactly `length` bytes, of a protocol that is not HTTP.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        assert_eq!(self.until(|pending| pending.len() >= length), End::Complete, "bytes: {:?}", self.seen());
        self.pending.drain(..length).collect()
    }

    /// Waits for the end of the connection; nothing may come before.
    pub(crate) fn expect_end(&mut self) {
        let end = self.until_close();
        assert!(self.pending.is_empty(), "the end was awaited ({end:?}), but there came {:?}", self.seen());
    }

    /// Whether bytes come, or the end, within `time`.
    pub(crate) fn hears_within(&mut self, time: Duration) -> bool {
        !self.pending.is_empty() || !matches!(self.read(time), Got::Nothing)
    }

    fn read(&mut self, time: Duration) -> Got {
        let mut part = vec![0; 262_144];
        self.stream.set_read_timeout(Some(time)).expect("a socket");
        match self.stream.read(&mut part) {
            Ok(0) => Got::End,
            Ok(length) => {
                self.pending.extend_from_slice(&part[..length]);
                Got::Bytes
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Got::Nothing,
            Err(_) => Got::End,
        }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.pending[..self.pending.len().min(500)]).into_owned()
    }
}
