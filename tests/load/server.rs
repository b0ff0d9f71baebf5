//! The simulated server of a seed: it is late, refuses, stalls, resets and closes, and writes down what it was asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::time::Moment;
use ringway::engine::simulated::{Random, Simulated, SimulatedListener, SimulatedReader, SimulatedWriter};
use ringway::engine::{self, Connection, Engine, IoError, Timer, Writer, accept};

/// Keys below this one are those of requests that count; the warm-up's begin far above it.
const COUNTED_BELOW: u64 = 1_000_000_000;
/// The longest answer's body.
const BODY_MAX: u64 = 70_000;

/// What the server saw, by key.
#[derive(Default)]
pub(crate) struct Ledger {
    /// How often the head of a counted request came.
    pub(crate) heads: BTreeMap<u64, u32>,
    /// When a whole answer to it was given to the network, and its status.
    pub(crate) answers: BTreeMap<u64, (Moment, u16)>,
    /// Requests of the warm-up.
    pub(crate) warm_up: u64,
}

/// How often the server does what, of each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) late_max: Duration,
    pub(crate) refuses: f64,
    pub(crate) misbehaves: f64,
    /// It ends the connection after a proper answer, saying so or not.
    pub(crate) closes: f64,
}

pub(crate) struct Server {
    pub(crate) engine: Simulated,
    pub(crate) address: SocketAddr,
    pub(crate) manners: Manners,
    pub(crate) random: RefCell<Random>,
    pub(crate) ledger: RefCell<Ledger>,
}

/// How an answer goes wrong.
#[derive(Clone, Copy)]
enum Wrong {
    Never,
    Nothing,
    Reset,
    Half,
    NoHttp,
}

impl Server {
    /// Listens, unless it does so already.
    pub(crate) fn start(self: &Rc<Self>) {
        if let Ok(listener) = self.engine.listen(self.address) {
            self.engine.handle().spawn(self.clone().serve(listener));
        }
    }

    async fn serve(self: Rc<Self>, mut listener: SimulatedListener) {
        loop {
            match accept(&mut listener).await {
                Ok(Some(accepted)) => {
                    let peer = Peer::new(&self.engine, accepted.connection);
                    self.engine.handle().spawn(self.clone().converse(peer));
                }
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }

    async fn converse(self: Rc<Self>, mut peer: Peer) {
        while let Some(key) = peer.request().await {
            let is_counted = key < COUNTED_BELOW;
            {
                let mut ledger = self.ledger.borrow_mut();
                if is_counted {
                    *ledger.heads.entry(key).or_default() += 1;
                } else {
                    ledger.warm_up += 1;
                }
            }
            peer.sleep(self.below(self.manners.late_max)).await;
            let status = if self.chance(self.manners.refuses) { 503 } else { 200 };
            if self.chance(self.manners.misbehaves) {
                return self.misbehave(&mut peer).await;
            }
            let (ends, says_so) = (self.chance(self.manners.closes), self.chance(0.5));
            let answer = self.answer(status, ends && says_so);
            if peer.send(&answer).await.is_err() {
                return;
            }
            if is_counted {
                self.ledger.borrow_mut().answers.insert(key, (self.engine.handle().now(), status));
            }
            if ends {
                return peer.sleep(self.below(Duration::from_millis(3))).await;
            }
        }
    }

    fn answer(&self, status: u16, closes: bool) -> Vec<u8> {
        let interim = if self.chance(0.1) { "HTTP/1.1 103 Early Hints\r\n\r\n" } else { "" };
        let close = if closes { "Connection: close\r\n" } else { "" };
        let replica = self.random.borrow_mut().below(5);
        let most = if self.chance(0.1) { BODY_MAX } else { 100 };
        let length = self.random.borrow_mut().below(most) as usize;
        let head = format!(
            "{interim}HTTP/1.1 {status} So\r\nX-Replica: {replica}\r\n{close}Content-Length: {length}\r\n\r\n"
        );
        let mut answer = head.into_bytes();
        answer.resize(answer.len() + length, b'x');
        answer
    }

    async fn misbehave(&self, peer: &mut Peer) {
        let all = [Wrong::Never, Wrong::Nothing, Wrong::Reset, Wrong::Half, Wrong::NoHttp];
        let wrong = all[self.random.borrow_mut().below(all.len() as u64) as usize];
        let _ = match wrong {
            Wrong::Never => return peer.sleep(Duration::from_secs(60)).await,
            Wrong::Nothing => return,
            Wrong::Reset => return peer.writer.abort(),
            Wrong::Half => peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await,
            Wrong::NoHttp => peer.send(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n").await,
        };
    }

    pub(crate) fn chance(&self, probability: f64) -> bool {
        self.random.borrow_mut().chance(probability)
    }

    pub(crate) fn below(&self, most: Duration) -> Duration {
        Duration::from_nanos(self.random.borrow_mut().below(most.as_nanos() as u64))
    }
}

/// One client's connection, as the server has it.
struct Peer {
    engine: Simulated,
    reader: SimulatedReader,
    writer: SimulatedWriter,
    timer: Timer,
    pending: Vec<u8>,
}

impl Peer {
    fn new(engine: &Simulated, connection: Connection<SimulatedReader, SimulatedWriter>) -> Self {
        let Connection { reader, writer } = connection;
        Peer { engine: engine.clone(), reader, writer, timer: engine.handle().timer(), pending: Vec::new() }
    }

    /// The key of the next request, once its head and its body have come.
    async fn request(&mut self) -> Option<u64> {
        let head = loop {
            if let Some(at) = self.pending.windows(4).position(|four| four == b"\r\n\r\n") {
                break self.pending.drain(..at + 4).collect::<Vec<u8>>();
            }
            self.fill().await?;
        };
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut fields);
        assert!(request.parse(&head).is_ok_and(|status| status.is_complete()), "{}", head.escape_ascii());
        let key = request.path.and_then(|path| path.strip_prefix('/')?.parse().ok()).expect("a key");
        let mut body = request
            .headers
            .iter()
            .find(|field| field.name == "Content-Length")
            .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
            .unwrap_or(0);
        loop {
            let taken = self.pending.len().min(body);
            self.pending.drain(..taken);
            body -= taken;
            if body == 0 {
                return Some(key);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let lent = engine::read(&mut self.reader, &mut self.timer, Moment::NEVER).await.ok()??;
        self.pending.extend_from_slice(&lent);
        Some(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.writer.buffer().extend_from_slice(bytes);
        engine::flush(&mut self.writer, &mut self.timer, Moment::NEVER).await
    }

    async fn sleep(&mut self, time: Duration) {
        let until = self.engine.handle().now() + time;
        self.timer.sleep_until(until).await;
    }
}
