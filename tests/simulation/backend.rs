//! Backends: they answer with what a token stands for, and misbehave as the seed says.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringway::engine::simulated::{Random, Simulated, SimulatedListener, SimulatedReader, SimulatedWriter};
use ringway::engine::{Connection, Engine, IoError, Writer, accept};

use crate::content;
use crate::ledger::Shared;
use crate::wire::{self, Broken, Framing, Head, Receiving, Sending, sleep};

/// How long a backend keeps an idle connection, and waits for a body.
const PATIENCE: Duration = Duration::from_secs(6);

/// How often backends do what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// Of each exchange: it goes wrong.
    pub(crate) misbehave: f64,
    /// The most by which a proper answer is late.
    pub(crate) late: Duration,
    /// The longest answer.
    pub(crate) length_max: u64,
}

/// What a backend does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Proper,
    /// The answer goes out before the body has come; then the body is read, or not.
    Early {
        reads_on: bool,
    },
    Never,
    BadHead,
    /// More is announced than comes; then the connection is closed or held.
    TooLong {
        holds: bool,
    },
    TooShort,
    Extra,
    /// The answer breaks off after a part of it.
    CutAnswer {
        resets: bool,
    },
    /// The connection is closed after so many bytes of the request.
    CutRequest(usize),
    /// The connection is closed after the answer, which did not say so.
    CloseAfter,
}

/// All backends of a run.
pub(crate) struct Backends {
    engine: Simulated,
    ledger: Shared,
    random: RefCell<Random>,
    manners: Manners,
    alive: RefCell<BTreeSet<SocketAddr>>,
}

/// An answer that is ready to be sent.
struct Answer {
    bytes: Vec<u8>,
    head_length: usize,
    until_close: bool,
}

impl Backends {
    pub(crate) fn new(engine: &Simulated, ledger: &Shared, seed: u64, manners: Manners) -> Rc<Self> {
        Rc::new(Backends {
            engine: engine.clone(),
            ledger: ledger.clone(),
            random: RefCell::new(Random::new(seed)),
            manners,
            alive: RefCell::default(),
        })
    }

    /// Starts the backend at `address`, unless it runs.
    pub(crate) fn start(self: &Rc<Self>, address: SocketAddr) {
        if let Ok(listener) = self.engine.listen(address) {
            self.alive.borrow_mut().insert(address);
            self.engine.handle().spawn(self.clone().serve(listener));
        }
    }

    /// Kills the backend at `address`.
    pub(crate) fn kill(&self, address: SocketAddr) {
        self.alive.borrow_mut().remove(&address);
        self.engine.network().kill(address);
    }

    pub(crate) fn is_alive(&self, address: SocketAddr) -> bool {
        self.alive.borrow().contains(&address)
    }

    pub(crate) fn kill_all(&self) {
        let alive = self.alive.borrow().clone();
        alive.into_iter().for_each(|address| self.kill(address));
    }

    async fn serve(self: Rc<Self>, mut listener: SimulatedListener) {
        loop {
            match accept(&mut listener).await {
                Ok(Some(accepted)) => {
                    self.engine.handle().spawn(self.clone().converse(accepted.connection));
                }
                Ok(None) => return,
                Err(IoError::Exhausted) => sleep(&self.engine, Duration::from_millis(5)).await,
                Err(_) => {}
            }
        }
    }

    async fn converse(self: Rc<Self>, connection: Connection<SimulatedReader, SimulatedWriter>) {
        let (mut receiving, mut sending) = wire::halves(&self.engine, connection, PATIENCE);
        while self.serve_one(&mut receiving, &mut sending).await == Ok(true) {
            if self.chance(self.manners.misbehave) && self.chance(0.3) {
                // The keep-alive connection is closed while the proxy may hold it for idle.
                let idle = self.below(3_000);
                sending.sleep(Duration::from_micros(idle)).await;
                return;
            }
        }
    }

    /// Whether the connection goes on.
    async fn serve_one(&self, receiving: &mut Receiving, sending: &mut Sending) -> Result<bool, Broken> {
        let act = self.draw_act();
        receiving.allowance = match act {
            Act::CutRequest(at) => at,
            _ => usize::MAX,
        };
        let head = receiving.request().await.inspect_err(|broken| self.note_beginning(receiving, *broken))?;
        let token = content::token_in(&head.path).unwrap_or(0);
        let sight = self.ledger.borrow_mut().see(token, &head.method);
        self.inspect(token, &head);
        let reads_before = !matches!(act, Act::Early { .. });
        if reads_before {
            self.read_body(receiving, sight, &head).await?;
        }
        let goes_on = self.answer(sending, token, &head, act).await?;
        if act == (Act::Early { reads_on: true }) {
            self.read_body(receiving, sight, &head).await?;
        }
        Ok(goes_on && act != (Act::Early { reads_on: false }))
    }

    /// A request that broke off may still be known by what came of it.
    fn note_beginning(&self, receiving: &Receiving, broken: Broken) {
        let pending = String::from_utf8_lossy(&receiving.pending);
        let mut words = pending.splitn(2, ' ');
        let (method, rest) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if let Some(token) = content::token_in(rest) {
            self.ledger.borrow_mut().see(token, method);
        }
        if broken == Broken::Malformed {
            self.ledger.borrow_mut().accuse(format!("a backend got what is no request: {pending:.80?}"));
        }
    }

    /// What a forwarded head must have, and must not.
    fn inspect(&self, token: u64, head: &Head) {
        let mut ledger = self.ledger.borrow_mut();
        if head.field("X-Token") != Some(&format!("{token:016x}")) {
            ledger
                .accuse(format!("the head of {token:016x} holds the fields of {:?}", head.field("X-Token")));
        }
        if head.minor_version != 1 || head.field("Host") != Some("sim") || head.field("Via").is_none() {
            ledger.accuse(format!("the head of {token:016x} came without Host, Via or version 1.1"));
        }
        if head.field("Connection").is_some() {
            ledger.accuse(format!("the head of {token:016x} came with the client's Connection"));
        }
        if head.field("Content-Length").is_some() && head.field("Transfer-Encoding").is_some() {
            ledger.accuse(format!("the head of {token:016x} announces two framings"));
        }
    }

    async fn read_body(&self, receiving: &mut Receiving, sight: usize, head: &Head) -> Result<(), Broken> {
        let mut body = Vec::new();
        let read = receiving.body(head.announced().unwrap_or(Framing::None), &mut body).await;
        match read {
            Ok(()) => self.ledger.borrow_mut().see_all(sight, &body),
            Err(Broken::Malformed) => {
                self.ledger.borrow_mut().accuse(format!("a backend got a broken body of {}", head.path));
            }
            Err(_) => {}
        }
        read
    }

    async fn answer(&self, sending: &mut Sending, token: u64, head: &Head, act: Act) -> Result<bool, Broken> {
        sending.sleep(Duration::from_micros(self.below(self.manners.late.as_micros() as u64))).await;
        if act == Act::Never {
            sending.sleep(Duration::from_secs(3)).await;
            return Ok(false);
        }
        if act == Act::BadHead {
            sending.send(b"HTTP/1.1 2OO Fine\r\nContent-Length: 0\r\n\r\n").await?;
            return Ok(false);
        }
        if head.field("Expect").is_some() || self.chance(0.1) {
            sending.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let answer = self.write_answer(token, head, act);
        if let Act::CutAnswer { resets } = act {
            return self.cut(sending, token, &answer, resets).await;
        }
        self.send_in_pieces(sending, &answer.bytes).await?;
        if matches!(act, Act::TooLong { holds: true }) {
            sending.sleep(Duration::from_secs(3)).await;
        }
        let closes = answer.until_close || matches!(act, Act::TooLong { .. } | Act::CloseAfter);
        if closes {
            sending.writer.shutdown();
        }
        Ok(!closes)
    }

    async fn cut(
        &self,
        sending: &mut Sending,
        token: u64,
        answer: &Answer,
        resets: bool,
    ) -> Result<bool, Broken> {
        let at = if self.chance(0.7) {
            answer.head_length + self.below((answer.bytes.len() - answer.head_length) as u64) as usize
        } else {
            self.below(answer.bytes.len() as u64) as usize
        };
        if answer.until_close && !resets {
            self.ledger.borrow_mut().shortened.insert(token);
        }
        self.send_in_pieces(sending, &answer.bytes[..at]).await?;
        sending.sleep(Duration::from_micros(self.below(2_000))).await;
        if resets {
            sending.writer.abort();
        }
        Ok(false)
    }

    async fn send_in_pieces(&self, sending: &mut Sending, bytes: &[u8]) -> Result<(), Broken> {
        let pieces = if self.chance(0.3) { self.up_to(4) as usize } else { 1 };
        for piece in bytes.chunks(bytes.len().div_ceil(pieces).max(1)) {
            sending.send(piece).await?;
            if pieces > 1 {
                sending.sleep(Duration::from_micros(self.below(1_000))).await;
            }
        }
        Ok(())
    }

    fn write_answer(&self, token: u64, head: &Head, act: Act) -> Answer {
        let length = if self.chance(0.1) {
            0
        } else {
            // Mostly short, sometimes as long as they come.
            let most = self.up_to(self.manners.length_max);
            self.below(most) as usize
        };
        let status = if head.method == "GET" && self.chance(0.1) {
            [204, 304, 404][self.below(3) as usize]
        } else {
            200
        };
        let no_body = head.method == "HEAD" || matches!(status, 204 | 304);
        let lies = matches!(act, Act::TooLong { .. } | Act::TooShort);
        // What lies about the length announces one, and what comes after a body needs the body's end.
        let kind = if lies || act == Act::Extra { 0 } else { self.below(10) };
        let (announced, framing, until_close) = match kind {
            _ if status == 204 => (length, String::new(), false),
            0..=5 => {
                let announced = match act {
                    Act::TooLong { .. } => length + 1 + self.below(100) as usize,
                    Act::TooShort => length / 2,
                    _ => length,
                };
                (announced, format!("Content-Length: {announced}\r\n"), false)
            }
            6..=8 => (length, "Transfer-Encoding: chunked\r\n".to_string(), false),
            _ => (length, "X-Framing: until-close\r\n".to_string(), true),
        };
        let says_close = if until_close || self.chance(0.05) { "Connection: close\r\n" } else { "" };
        let mut bytes = format!(
            "HTTP/1.1 {status} \r\nX-Token: {token:016x}\r\nX-Length: {announced}\r\n{framing}{says_close}\r\n"
        )
        .into_bytes();
        let head_length = bytes.len();
        let body = content::answer_body(token, length);
        if !no_body && framing.starts_with('T') {
            bytes.extend(wire::chunked(&body, self.up_to(5_000) as usize));
        } else if !no_body {
            bytes.extend(body);
        }
        if act == Act::Extra {
            bytes.extend_from_slice(b"\x00\x01 not asked for");
        }
        Answer { bytes, head_length, until_close: until_close || !says_close.is_empty() }
    }

    fn draw_act(&self) -> Act {
        if !self.chance(self.manners.misbehave) {
            return Act::Proper;
        }
        match self.below(12) {
            0 | 1 => Act::Early { reads_on: self.chance(0.5) },
            2 => Act::Never,
            3 => Act::BadHead,
            4 => Act::TooLong { holds: self.chance(0.5) },
            5 => Act::TooShort,
            6 => Act::Extra,
            7 | 8 => Act::CutAnswer { resets: self.chance(0.5) },
            9 => {
                let most = if self.chance(0.5) { 200 } else { 20_000 };
                Act::CutRequest(self.up_to(most) as usize)
            }
            _ => Act::CloseAfter,
        }
    }

    fn chance(&self, probability: f64) -> bool {
        self.random.borrow_mut().chance(probability)
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    fn up_to(&self, most: u64) -> u64 {
        self.random.borrow_mut().up_to(most)
    }
}
