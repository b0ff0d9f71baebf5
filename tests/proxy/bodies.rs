//! Large bodies: unchanged, in bounded memory, and no faster than the slower side.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, bounded};
use socket2::SockRef;
use xxhash_rust::xxh3::Xxh3;

use crate::harness::backend::Peer;
use crate::harness::clock::PATIENCE;
use crate::harness::message::head_length;
use crate::harness::{Backend, Engine, Proxy, service};

/// A body's length, of whole [`PIECE`]s.
const LENGTH: usize = 64 * MIB;
const MIB: usize = 1024 * 1024;
const PIECE: usize = 128 * 1024;
/// How much more memory a proxy may take for such bodies: its buffers, not theirs.
const GROWTH_MAX: u64 = 12 * MIB as u64;
/// How much the kernel's buffers between the two sides may take, of [`LENGTH`].
const KERNEL_BYTES_MAX: usize = 48 * MIB;
/// How long a side must be stuck to be held back.
const STUCK: Duration = Duration::from_millis(400);

/// The piece of a body at `number`; each differs from the others.
fn piece(number: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut bytes = Vec::with_capacity(PIECE);
    while bytes.len() < PIECE {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn pieces() -> impl Iterator<Item = Vec<u8>> {
    (0..LENGTH / PIECE).map(piece)
}

fn whole_hash() -> u64 {
    let mut hash = Xxh3::new();
    pieces().for_each(|piece| hash.update(&piece));
    hash.digest()
}

/// Answers a download with the whole body, and an upload with the length and hash of what came.
fn serve(peer: &mut Peer) {
    while let Some(request) = peer.head() {
        let chunked = request.fields.one("Transfer-Encoding").is_some();
        let sent = match request.line() {
            "GET /sized HTTP/1.1" => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
                peer.send(head).and_then(|()| pieces().try_for_each(|piece| peer.send(piece)))
            }
            "GET /chunked HTTP/1.1" => peer
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .and_then(|()| pieces().try_for_each(|piece| peer.send(chunk(&piece))))
                .and_then(|()| peer.send("0\r\n\r\n")),
            _ => upload_digest(peer, chunked).and_then(|digest| peer.answer("", digest)),
        };
        if sent.is_none() {
            return;
        }
    }
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

fn upload_digest(peer: &mut Peer, chunked: bool) -> Option<String> {
    let (mut hash, mut length) = (Xxh3::new(), 0);
    let mut add = |data: &[u8]| {
        hash.update(data);
        length += data.len();
        length
    };
    if chunked {
        peer.chunked(|data| _ = add(data))?;
    } else {
        while add(&peer.bytes()?) < LENGTH {}
    }
    Some(format!("{length} {:x}", hash.digest()))
}

/// Sends a request for a body and reads it as it comes.
fn download(proxy: &Proxy, path: &str) -> String {
    let mut stream = connect(proxy);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    let mut reader = BodyOf { stream, pending: Vec::new() };
    let head = reader.head();
    let (mut hash, mut length) = (Xxh3::new(), 0);
    let mut add = |data: &[u8]| {
        hash.update(data);
        length += data.len();
        length
    };
    if head.contains("transfer-encoding: chunked") {
        let mut dechunker = crate::harness::message::Dechunker::default();
        while !dechunker.done {
            dechunker.feed(&reader.bytes(), |data| _ = add(data));
        }
    } else {
        while add(&reader.bytes()) < LENGTH {}
    }
    format!("{length} {:x}", hash.digest())
}

struct BodyOf {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl BodyOf {
    fn head(&mut self) -> String {
        while head_length(&self.pending).is_none() {
            let bytes = self.read();
            self.pending.extend_from_slice(&bytes);
        }
        let length = head_length(&self.pending).unwrap();
        let head: Vec<u8> = self.pending.drain(..length).collect();
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    fn bytes(&mut self) -> Vec<u8> {
        if self.pending.is_empty() { self.read() } else { std::mem::take(&mut self.pending) }
    }

    fn read(&mut self) -> Vec<u8> {
        let mut part = vec![0; 262_144];
        let length = self.stream.read(&mut part).expect("a body's next bytes within the time");
        assert!(length > 0, "the body broke off");
        part.truncate(length);
        part
    }
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn upload(proxy: &Proxy, chunked: bool) -> String {
    let framing =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {LENGTH}") };
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
    for piece in pieces() {
        client.send(if chunked { chunk(&piece) } else { piece });
    }
    if chunked {
        client.send("0\r\n\r\n");
    }
    client.answer().text()
}

pub(crate) fn large_bodies_pass_unchanged_in_little_memory(engine: Engine) {
    let replica = Backend::start(serve);
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let expected = format!("{LENGTH} {:x}", whole_hash());
    let before = proxy.memory_peak();
    thread::scope(|scope| {
        let all = [
            scope.spawn(|| download(&proxy, "/sized")),
            scope.spawn(|| download(&proxy, "/chunked")),
            scope.spawn(|| upload(&proxy, false)),
            scope.spawn(|| upload(&proxy, true)),
        ];
        for (index, digest) in all.into_iter().enumerate() {
            assert_eq!(digest.join().unwrap(), expected, "transfer {index}");
        }
    });
    let growth = proxy.memory_peak() - before;
    assert!(growth < GROWTH_MAX, "{growth} bytes more for four bodies of {LENGTH}");
}

/// Writes bytes until that blocks for [`STUCK`]; returns how many were taken.
fn write_until_stuck(mut stream: &TcpStream) -> usize {
    stream.set_write_timeout(Some(STUCK)).unwrap();
    let piece = piece(0);
    let mut taken = 0;
    while taken < LENGTH {
        match stream.write(&piece[..PIECE.min(LENGTH - taken)]) {
            Ok(length) => taken += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_write_timeout(None).unwrap();
    taken
}

/// Writes what is left of a body of zeros.
fn write_rest(mut stream: &TcpStream, mut taken: usize) {
    let piece = vec![0; PIECE];
    while taken < LENGTH {
        taken += stream.write(&piece[..PIECE.min(LENGTH - taken)]).expect("the other side reads again");
    }
}

fn assert_held_back(proxy: &Proxy, before: u64, taken: &Receiver<usize>) {
    let taken = taken.recv_timeout(PATIENCE).expect("awaited: the sender is held back");
    assert!(taken < KERNEL_BYTES_MAX, "{taken} bytes were taken, though nobody reads them");
    let growth = proxy.memory_peak() - before;
    assert!(growth < GROWTH_MAX, "{growth} bytes more, though {taken} were all that was sent");
}

pub(crate) fn a_slow_reader_holds_the_replica_back(engine: Engine) {
    let (report, taken) = bounded(1);
    let replica = Backend::start(move |peer| {
        if peer.head().is_some() {
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
            let taken = write_until_stuck(&peer.stream);
            let _ = report.send(taken);
            write_rest(&peer.stream, taken);
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let before = proxy.memory_peak();
    let mut stream = connect(&proxy);
    SockRef::from(&stream).set_recv_buffer_size(PIECE).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_held_back(&proxy, before, &taken);
    let mut reader = BodyOf { stream, pending: Vec::new() };
    reader.head();
    let mut length = 0;
    while length < LENGTH {
        length += reader.bytes().len();
    }
    assert_eq!(length, LENGTH, "all of it comes once the client reads");
}

pub(crate) fn a_slow_replica_holds_the_client_back(engine: Engine) {
    let (resume, resumed) = bounded::<()>(1);
    let replica = Backend::start(move |peer| {
        if peer.head().is_some() && resumed.recv_timeout(PATIENCE).is_ok() {
            let mut length = 0;
            while length < LENGTH {
                let Some(bytes) = peer.bytes() else { return };
                length += bytes.len();
            }
            peer.answer("", length.to_string());
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let before = proxy.memory_peak();
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let (report, taken) = bounded(1);
    let sent = write_until_stuck(&client.stream);
    report.send(sent).unwrap();
    assert_held_back(&proxy, before, &taken);
    resume.send(()).unwrap();
    write_rest(&client.stream, sent);
    assert_eq!(client.answer().text(), LENGTH.to_string());
}
