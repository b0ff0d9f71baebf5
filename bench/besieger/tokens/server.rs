//! A server that answers with what it was asked, and dies in every way there is.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::random::Random;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::ledger::Ledger;
use super::{Plant, pattern};
use crate::wire::{Head, Messages, chunked};

const BACKLOG: u32 = 1_024;
const LIFE_MS: (u64, u64) = (500, 6_000);
const DEAD_MS_MAX: u64 = 400;
/// Longer than the proxy waits for an answer's first byte.
const STALL: Duration = Duration::from_secs(4);
/// How long a connection without a request is kept where the server is impatient.
const IMPATIENCE_MS_MAX: u64 = 400;
const FAULTS: f64 = 0.06;
const PLANTED: f64 = 0.001;

pub(super) struct Server {
    address: SocketAddr,
    random: Random,
    shared: Rc<Shared>,
}

struct Shared {
    ledger: Rc<RefCell<Ledger>>,
    plant: Option<Plant>,
    /// The token that was answered last, for the planted mistake.
    last: RefCell<(u64, usize)>,
}

/// Where a server breaks off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    BeforeReading,
    AfterTheHead,
    InTheBody,
    Stall,
    InTheAnswer,
    AfterTheAnswer,
}

const ALL_FAULTS: [Fault; 6] = [
    Fault::BeforeReading,
    Fault::AfterTheHead,
    Fault::InTheBody,
    Fault::Stall,
    Fault::InTheAnswer,
    Fault::AfterTheAnswer,
];

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Fault::BeforeReading => "died before reading",
            Fault::AfterTheHead => "died after the head",
            Fault::InTheBody => "died in the body",
            Fault::Stall => "stalled",
            Fault::InTheAnswer => "died in the answer",
            Fault::AfterTheAnswer => "died after the answer",
        }
    }
}

impl Server {
    pub(super) fn new(
        address: SocketAddr,
        random: Random,
        ledger: Rc<RefCell<Ledger>>,
        plant: Option<Plant>,
    ) -> Self {
        Server { address, random, shared: Rc::new(Shared { ledger, plant, last: RefCell::default() }) }
    }

    pub(super) async fn live_and_die(mut self) {
        loop {
            // The port may still be held by a connection that is just ending.
            if let Ok(listener) = listen(self.address) {
                self.live(listener).await;
                self.shared.ledger.borrow().count("servers died");
            }
            sleep(Duration::from_millis(self.random.up_to(DEAD_MS_MAX))).await;
        }
    }

    async fn live(&mut self, listener: TcpListener) {
        let life = Duration::from_millis(LIFE_MS.0 + self.random.below(LIFE_MS.1));
        let end = Instant::now() + life;
        let (died, dies) = watch::channel(());
        while let Ok(accepted) = timeout_at(end, listener.accept()).await {
            let Ok((stream, _)) = accepted else { continue };
            let random = Random::new(self.random.next());
            let connection = Connection { random, shared: self.shared.clone() };
            tokio::task::spawn_local(connection.serve(stream, dies.clone()));
        }
        drop(died);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

struct Connection {
    random: Random,
    shared: Rc<Shared>,
}

impl Connection {
    /// Serves until the connection or the server ends; a half of the ends are resets.
    async fn serve(mut self, mut stream: TcpStream, mut dies: watch::Receiver<()>) {
        let _ = stream.set_nodelay(true);
        let resets = self.random.chance(0.5);
        let died = tokio::select! {
            died = self.answer_all(&mut stream) => died,
            _ = dies.changed() => true,
        };
        if died && resets {
            let _ = stream.set_zero_linger();
        }
    }

    /// Whether it ends by a fault.
    async fn answer_all(&mut self, stream: &mut TcpStream) -> bool {
        let (reader, mut writer) = stream.split();
        let mut messages = Messages::new(reader);
        loop {
            let fault = self.fault();
            if fault == Some(Fault::BeforeReading) {
                let _ = messages.stream().readable().await;
                self.count(Fault::BeforeReading);
                return true;
            }
            let Some(head) = self.next_head(&mut messages).await else { return false };
            match self.answer(&mut messages, &mut writer, head, fault).await {
                Ok(None) => {}
                Ok(Some(fault)) => {
                    self.count(fault);
                    return true;
                }
                Err(_) => return false,
            }
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        let faulty = self.random.chance(FAULTS);
        faulty.then(|| ALL_FAULTS[self.random.below(ALL_FAULTS.len() as u64) as usize])
    }

    fn count(&self, fault: Fault) {
        self.shared.ledger.borrow().count(fault.name());
    }

    async fn next_head(&mut self, messages: &mut Messages<ReadHalf<'_>>) -> Option<Head> {
        let impatient = self.random.chance(0.1);
        let patience = match impatient {
            true => Duration::from_millis(self.random.up_to(IMPATIENCE_MS_MAX)),
            false => Duration::from_secs(60),
        };
        let head = timeout(patience, messages.request()).await;
        if head.is_err() {
            self.shared.ledger.borrow().count("idle connections closed");
        }
        head.ok()?.ok()?
    }

    /// The fault by which the connection is to end.
    async fn answer(
        &mut self,
        messages: &mut Messages<ReadHalf<'_>>,
        writer: &mut WriteHalf<'_>,
        head: Head,
        fault: Option<Fault>,
    ) -> io::Result<Option<Fault>> {
        let Some((token, length)) = token_and_length(&head.what.1) else {
            self.shared.ledger.borrow_mut().judge_surplus(head.what.1.as_bytes());
            return Ok(None);
        };
        self.saw(token);
        if fault == Some(Fault::AfterTheHead) {
            return Ok(fault);
        }
        if fault == Some(Fault::InTheBody) {
            let _ = timeout(
                Duration::from_millis(self.random.up_to(3)),
                messages.body(head.framing, &mut Vec::new()),
            )
            .await;
            return Ok(fault);
        }
        let mut body = Vec::new();
        if messages.body(head.framing, &mut body).await.is_err() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head.what.0 == "GET" {
            body = pattern::of(token, length);
        }
        if fault == Some(Fault::Stall) {
            sleep(STALL).await;
            return Ok(fault);
        }
        let answer = self.encoded(token, body);
        if fault == Some(Fault::InTheAnswer) {
            let cut = self.random.below(answer.len() as u64) as usize;
            writer.write_all(&answer[..cut]).await?;
            return Ok(fault);
        }
        self.send(writer, &answer).await?;
        Ok(fault)
    }

    fn saw(&mut self, token: u64) {
        let times = if self.plants(Plant::RepeatRequests) { 2 } else { 1 };
        (0..times).for_each(|_| self.shared.ledger.borrow_mut().saw(token));
    }

    fn plants(&mut self, plant: Plant) -> bool {
        self.shared.plant == Some(plant) && self.random.chance(PLANTED)
    }

    fn encoded(&mut self, token: u64, body: Vec<u8>) -> Vec<u8> {
        let (mut token, mut body) = (token, body);
        let last = self.shared.last.replace((token, body.len()));
        if self.plants(Plant::SwapTokens) {
            (token, body) = (last.0, pattern::of(last.0, last.1));
        }
        if self.plants(Plant::ShortenBodies) {
            body.pop();
        }
        if self.plants(Plant::SpoilBodies)
            && let Some(byte) = body.last_mut()
        {
            *byte ^= 1;
        }
        let mut bytes = format!("HTTP/1.1 200 OK\r\nX-Token: {token}\r\n").into_bytes();
        if self.random.chance(0.5) {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
        } else {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let random = &mut self.random;
            bytes.extend_from_slice(&chunked(&body, || random.up_to(20_000) as usize));
        }
        bytes
    }

    /// At once, or in pieces.
    async fn send(&mut self, writer: &mut WriteHalf<'_>, answer: &[u8]) -> io::Result<()> {
        let mut rest = answer;
        while self.random.chance(0.1) {
            let (piece, after) = rest.split_at(self.random.below(rest.len() as u64 + 1) as usize);
            writer.write_all(piece).await?;
            rest = after;
            sleep(Duration::from_millis(self.random.up_to(20))).await;
        }
        writer.write_all(rest).await
    }
}

/// Of a target `/t/TOKEN/LENGTH`.
fn token_and_length(target: &str) -> Option<(u64, usize)> {
    let (token, length) = target.strip_prefix("/t/")?.split_once('/')?;
    Some((token.parse().ok()?, length.parse().ok()?))
}
