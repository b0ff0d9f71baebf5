//! A client that keeps its connections, asks several things at a time, and has the ledger judge each answer.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::random::Random;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep};

use super::ledger::{Asked, Ledger, Method, Received};
use super::pattern;
use crate::wire::{Broken, Messages, chunked};

const SHORT_BODY_BYTES_MAX: u64 = 2_000;
const LONG_BODY_BYTES_MAX: u64 = 100_000;
const PIPELINE_MAX: u64 = 4;
const PAUSE_MS_MAX: u64 = 40;
/// A client that left in the middle of its requests: nobody may get what was meant for it.
const LEAVING: f64 = 0.01;

pub(super) struct Client {
    target: SocketAddr,
    random: Random,
    ledger: Rc<RefCell<Ledger>>,
}

impl Client {
    pub(super) fn new(target: SocketAddr, random: Random, ledger: Rc<RefCell<Ledger>>) -> Self {
        Client { target, random, ledger }
    }

    pub(super) async fn ask_until(mut self, end: Instant) {
        while Instant::now() < end {
            match TcpStream::connect(self.target).await {
                Ok(stream) => self.converse(stream, end).await,
                Err(_) => self.ledger.borrow().count("not connected"),
            }
        }
    }

    async fn converse(&mut self, stream: TcpStream, end: Instant) {
        let _ = stream.set_nodelay(true);
        self.ledger.borrow().count("connections");
        let (reader, mut writer) = stream.into_split();
        let mut messages = Messages::new(reader);
        while Instant::now() < end {
            let asked = self.plan();
            let bytes = self.encoded(&asked);
            if self.random.chance(LEAVING) {
                let cut = self.random.below(bytes.len() as u64 + 1) as usize;
                let _ = writer.write_all(&bytes[..cut]).await;
                sleep(Duration::from_millis(self.random.below(20))).await;
                return self.ledger.borrow().count("left by the client");
            }
            let pieces = self.pieces(bytes.len());
            let received = tokio::select! {
                received = receive(&mut messages, asked.len()) => received,
                () = send(&mut writer, &bytes, &pieces) => Exchanged::default(),
            };
            if !self.judge(&asked, &received, messages.left()) {
                return;
            }
            sleep(Duration::from_millis(self.random.below(PAUSE_MS_MAX))).await;
        }
    }

    /// Whether the connection goes on.
    fn judge(&self, asked: &[Asked], received: &Exchanged, left: &[u8]) -> bool {
        let mut ledger = self.ledger.borrow_mut();
        for (asked, received) in asked.iter().zip(&received.answers) {
            ledger.judge(asked, received);
        }
        if !received.cut {
            ledger.judge_surplus(left);
        }
        !received.cut && !received.closes
    }

    fn plan(&mut self) -> Vec<Asked> {
        let count = if self.random.chance(0.3) { self.random.up_to(PIPELINE_MAX) } else { 1 };
        (0..count)
            .map(|_| {
                let method =
                    [Method::Get, Method::Get, Method::Put, Method::Post][self.random.below(4) as usize];
                let most = if self.random.chance(0.1) { LONG_BODY_BYTES_MAX } else { SHORT_BODY_BYTES_MAX };
                let length = self.random.below(most) as usize;
                self.ledger.borrow_mut().issue(method, length)
            })
            .collect()
    }

    fn encoded(&mut self, all: &[Asked]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for asked in all {
            let (method, token, length) = (asked.method, asked.token, asked.length);
            let head = format!("{} /t/{token}/{length} HTTP/1.1\r\nHost: siege\r\n", method.name());
            bytes.extend_from_slice(head.as_bytes());
            if method == Method::Get {
                bytes.extend_from_slice(b"\r\n");
            } else if self.random.chance(0.5) {
                bytes.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
                bytes.extend_from_slice(&pattern::of(token, length));
            } else {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                let random = &mut self.random;
                bytes.extend_from_slice(&chunked(&pattern::of(token, length), || {
                    random.up_to(20_000) as usize
                }));
            }
        }
        bytes
    }

    /// Where the sending pauses: mostly nowhere.
    fn pieces(&mut self, length: usize) -> Vec<usize> {
        let mut pieces = Vec::new();
        while self.random.chance(0.2) {
            pieces.push(self.random.below(length as u64 + 1) as usize);
        }
        pieces.sort_unstable();
        pieces
    }
}

/// Sends all of it, and then waits for ever: the answers end the exchange.
async fn send(writer: &mut OwnedWriteHalf, bytes: &[u8], pieces: &[usize]) {
    let mut sent = 0;
    for &piece in pieces {
        if writer.write_all(&bytes[sent..piece]).await.is_err() {
            break;
        }
        sent = piece;
        sleep(Duration::from_millis(3)).await;
    }
    // Where it fails, what is received tells why.
    let _ = writer.write_all(&bytes[sent..]).await;
    std::future::pending().await
}

/// What came for some requests that were sent one behind the other.
#[derive(Default)]
struct Exchanged {
    answers: Vec<Received>,
    /// An answer said that it is the last one.
    closes: bool,
    /// The connection broke.
    cut: bool,
}

async fn receive(messages: &mut Messages<OwnedReadHalf>, count: usize) -> Exchanged {
    let mut exchanged = Exchanged::default();
    for _ in 0..count {
        let received = if exchanged.cut || exchanged.closes {
            Received::Nothing { excused: true }
        } else {
            receive_one(messages, &mut exchanged).await
        };
        exchanged.answers.push(received);
    }
    exchanged
}

async fn receive_one(messages: &mut Messages<OwnedReadHalf>, exchanged: &mut Exchanged) -> Received {
    let head = match messages.answer().await {
        Ok(Some(head)) => head,
        broken => {
            exchanged.cut = true;
            return match broken {
                Err(Broken::Malformed(what)) => Received::Malformed(what),
                _ if messages.left().is_empty() => Received::Nothing { excused: false },
                _ => Received::PartOfHead,
            };
        }
    };
    exchanged.closes = head.closes;
    let mut body = Vec::new();
    let whole = match messages.body(head.framing, &mut body).await {
        Ok(()) => true,
        Err(Broken::Malformed(what)) => {
            exchanged.cut = true;
            return Received::Malformed(what);
        }
        Err(_) => false,
    };
    exchanged.cut |= !whole;
    Received::Answer { status: head.what.0, token: head.token, body, whole }
}
