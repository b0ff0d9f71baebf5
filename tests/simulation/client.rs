//! A client: it sends its orders, reads what comes at the same time, and judges each answer.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ringway::engine::simulated::Simulated;
use ringway::engine::{self, Engine, Writer};

use crate::content;
use crate::ledger::{Outcome, Sent, Shared};
use crate::wire::{self, Broken, Framing, Head, Receiving, Sending};

/// How long a client waits for anything: much longer than all that the proxy may do for one request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a client that does not read for a while does so: longer than the proxy waits for it.
const DEAFNESS: Duration = Duration::from_secs(4);

/// One request to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) token: u64,
    pub(crate) method: &'static str,
    /// The bytes of its body; `None`: it has none.
    pub(crate) length: Option<usize>,
    /// The size of its chunks; `None`: its length is announced.
    pub(crate) chunk: Option<usize>,
    pub(crate) expects: bool,
    pub(crate) closes: bool,
}

impl Order {
    /// The request as it is sent in HTTP/1.`minor`.
    pub(crate) fn bytes(&self, minor: u8) -> Vec<u8> {
        let Order { token, method, .. } = self;
        let path = content::path_of(*token);
        let mut head = format!("{method} {path} HTTP/1.{minor}\r\nHost: sim\r\nX-Token: {token:016x}\r\n");
        if minor == 0 && !self.closes {
            head.push_str("Connection: keep-alive\r\n");
        } else if self.closes {
            head.push_str("Connection: close\r\n");
        }
        if self.expects {
            head.push_str("Expect: 100-continue\r\n");
        }
        let body = content::request_body(*token, self.length.unwrap_or(0));
        match (self.length, self.chunk) {
            (None, _) => head.push_str("\r\n"),
            (Some(_), Some(_)) => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
            (Some(length), None) => head.push_str(&format!("Content-Length: {length}\r\n\r\n")),
        }
        let body = self.chunk.map_or_else(|| body.clone(), |size| wire::chunked(&body, size));
        let body = if self.length.is_some() { body } else { Vec::new() };
        [head.into_bytes(), body].concat()
    }
}

/// What a client does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// After so many bytes it resets the connection.
    Reset(usize),
    /// After so many bytes it ends its stream, and goes on reading.
    End(usize),
    /// After so many bytes it sends no more, and goes on reading.
    Stall(usize),
    /// In the middle of the first chunked body it breaks the coding.
    Malformed,
    /// It does not read the first answer for longer than the proxy waits.
    Deaf,
}

/// What a client does on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// HTTP/1.`minor`.
    pub(crate) minor: u8,
    pub(crate) orders: Vec<Order>,
    /// All requests are sent without waiting for answers.
    pub(crate) pipelined: bool,
    /// The most bytes sent at once, and the pause after them.
    pub(crate) piece: (usize, Duration),
    pub(crate) fault: Option<Fault>,
    /// After the last answer it waits for the proxy to close.
    pub(crate) lingers: bool,
    /// The network may end a stream early as if its sender had.
    pub(crate) cuts: bool,
    /// The service itself may be gone for a while.
    pub(crate) unrouted: bool,
}

/// One connection of a client.
struct Conversation {
    script: Script,
    ledger: Shared,
    /// Answers that are read to the end.
    answered: Cell<usize>,
}

/// What a client's sending side came to.
enum Sender {
    /// It has sent what it wanted to, or could.
    Done,
    /// It left, and reads no more.
    Left,
}

/// Plays `script` on one connection to `address`, and notes every outcome.
pub(crate) async fn play(engine: Simulated, address: SocketAddr, script: Script, ledger: Shared) {
    for order in &script.orders {
        let length = order.length.unwrap_or(0);
        let sent = Sent { method: order.method, length, complete: false, outcome: None };
        ledger.borrow_mut().requests.insert(order.token, sent);
    }
    let conversation = Rc::new(Conversation { script, ledger, answered: Cell::new(0) });
    let mut timer = engine.handle().timer();
    let deadline = engine.handle().now() + PATIENCE;
    match engine::connect(&engine, address, &mut timer, deadline).await {
        Ok(connection) => {
            let (mut receiving, mut sending) = wire::halves(&engine, connection, PATIENCE);
            conversation.run(&mut receiving, &mut sending).await;
        }
        Err(_) => conversation.leave_rest(0, Outcome::Unanswered),
    }
}

impl Conversation {
    async fn run(&self, receiving: &mut Receiving, sending: &mut Sending) {
        let mut reader = pin!(self.read(receiving));
        let mut sender = pin!(self.send(sending));
        let mut sent = false;
        let left = poll_fn(|context| {
            if reader.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
            if !sent && let Poll::Ready(ended) = sender.as_mut().poll(context) {
                sent = true;
                if matches!(ended, Sender::Left) {
                    return Poll::Ready(true);
                }
            }
            Poll::Pending
        })
        .await;
        if left {
            self.leave_rest(self.answered.get(), Outcome::Abandoned);
        }
    }

    async fn send(&self, sending: &mut Sending) -> Sender {
        let (piece_max, pause) = self.script.piece;
        let mut total = 0;
        for (index, order) in self.script.orders.iter().enumerate() {
            if !self.script.pipelined {
                self.wait_for_answers(index).await;
            }
            let mut bytes = order.bytes(self.script.minor);
            if self.script.fault == Some(Fault::Malformed) && order.chunk.is_some() {
                let at = bytes.len() - 5;
                bytes.splice(at.., *b"zz\r\n");
            }
            let malformed = self.script.fault == Some(Fault::Malformed) && order.chunk.is_some();
            let mut unsent = bytes.len();
            for piece in bytes.chunks(piece_max) {
                let left = self.bytes_left(total);
                let whole = piece.len() <= left;
                if sending.send(&piece[..piece.len().min(left)]).await.is_err() {
                    return Sender::Done;
                }
                total += piece.len();
                if !whole {
                    return self.misbehave(sending).await;
                }
                unsent -= piece.len();
                if unsent == 0 && !malformed {
                    self.note_sent(order);
                }
                if !pause.is_zero() {
                    sending.sleep(pause).await;
                }
            }
            if malformed {
                return Sender::Done;
            }
        }
        Sender::Done
    }

    fn note_sent(&self, order: &Order) {
        if let Some(sent) = self.ledger.borrow_mut().requests.get_mut(&order.token) {
            sent.complete = true;
        }
    }

    /// How many more bytes go out before the fault, if there is one.
    fn bytes_left(&self, sent: usize) -> usize {
        match self.script.fault {
            Some(Fault::Reset(at) | Fault::End(at) | Fault::Stall(at)) => at.saturating_sub(sent),
            _ => usize::MAX,
        }
    }

    async fn misbehave(&self, sending: &mut Sending) -> Sender {
        match self.script.fault {
            Some(Fault::Reset(_)) => {
                sending.writer.abort();
                Sender::Left
            }
            Some(Fault::End(_)) => {
                sending.writer.shutdown();
                Sender::Done
            }
            _ => Sender::Done,
        }
    }

    /// Polled by the task that reads, which therefore needs no waker.
    async fn wait_for_answers(&self, count: usize) {
        poll_fn(|_| if self.answered.get() >= count { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    async fn read(&self, receiving: &mut Receiving) {
        for (index, order) in self.script.orders.iter().enumerate() {
            match self.read_answer(receiving, order).await {
                Ok(true) => self.answered.set(index + 1),
                Ok(false) => {
                    self.leave_rest(index + 1, Outcome::Unanswered);
                    return self.expect_end(receiving, "after the answer that ends its connection").await;
                }
                Err(()) => return self.leave_rest(index, Outcome::Unanswered),
            }
        }
        if self.script.lingers {
            self.expect_end(receiving, "on an idle connection").await;
        }
    }

    async fn expect_end(&self, receiving: &mut Receiving, when: &str) {
        if let Err(broken) = receiving.end().await {
            let token = self.script.orders[0].token;
            let bytes = String::from_utf8_lossy(&receiving.pending[..receiving.pending.len().min(60)]);
            let what = format!("{broken:?} {when} instead of its end, first token {token:016x}: {bytes:?}");
            self.ledger.borrow_mut().accuse(what);
        }
    }

    /// Whether the connection goes on; an error if it has ended, with this answer or before it.
    async fn read_answer(&self, receiving: &mut Receiving, order: &Order) -> Result<bool, ()> {
        let head = loop {
            match receiving.answer().await {
                Ok(head) if head.status == 100 || head.status == 103 => self.expect_interim_allowed(order),
                Ok(head) => break head,
                Err(Broken::End | Broken::Reset) => return Err(()),
                Err(broken) => {
                    self.accuse(order, &format!("{broken:?} where the answer's head was expected"));
                    return Err(());
                }
            }
        };
        if self.script.fault == Some(Fault::Deaf) && self.answered.get() == 0 {
            receiving.rest(DEAFNESS).await;
        }
        let framing = head.answer_framing(order.method);
        let mut body = Vec::new();
        match receiving.body(framing, &mut body).await {
            Ok(()) => {
                self.judge(order, &head, framing, &body);
                if order.method == "HEAD" && matches!(head.status, 400 | 408) {
                    // Of a head that never was whole nobody knows that its answer must have no body.
                    return Err(());
                }
                Ok(self.goes_on(&head, framing))
            }
            Err(Broken::End | Broken::Reset) => {
                self.judge_cut(order, &head, &body);
                Err(())
            }
            Err(broken) => {
                self.accuse(order, &format!("{broken:?} in the answer's body"));
                self.ledger.borrow_mut().conclude(order.token, Outcome::Cut { status: head.status });
                Ok(false)
            }
        }
    }

    fn expect_interim_allowed(&self, order: &Order) {
        if self.script.minor == 0 {
            self.accuse(order, "an HTTP/1.0 client got an interim answer");
        }
    }

    fn goes_on(&self, head: &Head, framing: Framing) -> bool {
        let kept = if self.script.minor == 0 { head.says("keep-alive") } else { !head.says("close") };
        kept && framing != Framing::UntilClose
    }

    fn judge(&self, order: &Order, head: &Head, framing: Framing, body: &[u8]) {
        let status = head.status;
        if framing == Framing::Chunked && self.script.minor == 0 {
            self.accuse(order, "an HTTP/1.0 client got a chunked answer");
        }
        let Some(token) = head.field("X-Token") else {
            self.judge_own(order, head, body);
            return self.ledger.borrow_mut().conclude(order.token, Outcome::Own { status });
        };
        if token != format!("{:016x}", order.token) {
            self.accuse(order, &format!("it got the answer to {token}"));
        }
        let length = head.number("X-Length").unwrap_or(0) as usize;
        let length = if framing == Framing::None { 0 } else { length };
        let expected = content::answer_body(order.token, length);
        if body != expected && !(expected.starts_with(body) && self.may_end_early(order, head, framing)) {
            let difference = content::difference(body, &expected);
            self.accuse(order, &format!("a whole answer, but another body: {difference}"));
        }
        self.ledger.borrow_mut().conclude(order.token, Outcome::Answered { status });
    }

    /// Whether somebody ended a body early in a way that looks like its end: no proxy can tell that.
    fn may_end_early(&self, order: &Order, head: &Head, framing: Framing) -> bool {
        let at_backend = head.field("X-Framing") == Some("until-close");
        (at_backend && (self.script.cuts || self.ledger.borrow().shortened.contains(&order.token)))
            || (framing == Framing::UntilClose && self.script.cuts)
    }

    /// The proxy's own answers say nothing but their status; those that blame the client need a reason.
    fn judge_own(&self, order: &Order, head: &Head, body: &[u8]) {
        let blames_upstream = matches!(head.status, 502..=504);
        let blames_client = self.script.fault.is_some() && matches!(head.status, 400 | 408);
        let unrouted = self.script.unrouted && head.status == 404;
        if !blames_upstream && !blames_client && !unrouted {
            self.accuse(order, &format!("an answer {} of nobody's", head.status));
        }
        if order.method != "HEAD" && !body.starts_with(format!("{} ", head.status).as_bytes()) {
            self.accuse(order, &format!("an own answer with the body {:?}", String::from_utf8_lossy(body)));
        }
        if head.status == 503 && head.field("Retry-After").is_none() {
            self.accuse(order, "a 503 without Retry-After");
        }
    }

    fn judge_cut(&self, order: &Order, head: &Head, body: &[u8]) {
        let length = head.number("X-Length").unwrap_or(0) as usize;
        if head.field("X-Token").is_some_and(|token| token != format!("{:016x}", order.token)) {
            self.accuse(order, "it got a part of another's answer");
        } else if !content::answer_body(order.token, length).starts_with(body) && !head_is_own(head) {
            self.accuse(order, "a cut answer holds bytes of another");
        }
        self.ledger.borrow_mut().conclude(order.token, Outcome::Cut { status: head.status });
    }

    fn accuse(&self, order: &Order, what: &str) {
        let line = format!("{} {:016x}: {what} ({:?})", order.method, order.token, self.script.fault);
        self.ledger.borrow_mut().accuse(line);
    }

    /// The orders from `first` on get no answer on this connection.
    fn leave_rest(&self, first: usize, outcome: Outcome) {
        let mut ledger = self.ledger.borrow_mut();
        for order in &self.script.orders[first..] {
            if ledger.requests.get(&order.token).is_some_and(|sent| sent.outcome.is_none()) {
                ledger.conclude(order.token, outcome);
            }
        }
    }
}

fn head_is_own(head: &Head) -> bool {
    head.field("X-Token").is_none()
}
