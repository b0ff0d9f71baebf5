//! Planted faults: a box between the proxy and its peers that breaks one promise, so that the ledger must notice.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringway::engine::simulated::{Simulated, SimulatedListener, SimulatedReader, SimulatedWriter};
use ringway::engine::{Connection, Engine, accept};

use crate::client::PATIENCE;
use crate::wire::{self, Broken, Framing, Head, Receiving, Sending, sleep};

/// What the box does wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// It sends a POST to the backend twice.
    DuplicatePost,
    /// It gives a client the body of the answer before.
    MixBodies,
    /// It leaves out the last byte of an answer and announces the shorter length.
    DropAnswerByte,
    /// It alters a byte of a request's body.
    AlterRequestByte,
    /// It adds a request that nobody sent.
    Smuggle,
    /// It takes a client's request and never answers.
    Swallow,
    /// It answers a request with the answer to another.
    SwapAnswers,
    /// It keeps a connection for ever.
    Leak,
}

impl Plant {
    /// Whether the box stands between the clients and the proxy, not behind the proxy.
    pub(crate) fn is_in_front(self) -> bool {
        matches!(self, Plant::Swallow | Plant::DropAnswerByte)
    }
}

/// The box at one address, which forwards to another.
pub(crate) struct Saboteur {
    engine: Simulated,
    plant: Plant,
    /// Shared by all boxes of a run: the fault happens once.
    done: Rc<Cell<bool>>,
    last: RefCell<Option<(Head, Vec<u8>)>>,
    to: SocketAddr,
}

impl Saboteur {
    /// Starts a box that listens on `at` and forwards to `to`.
    pub(crate) fn start(
        engine: &Simulated,
        plant: Plant,
        done: &Rc<Cell<bool>>,
        at: SocketAddr,
        to: SocketAddr,
    ) {
        let listener = engine.listen(at).expect("the address is free");
        let saboteur =
            Saboteur { engine: engine.clone(), plant, done: done.clone(), last: RefCell::default(), to };
        engine.handle().spawn(Rc::new(saboteur).serve(listener));
    }

    async fn serve(self: Rc<Self>, mut listener: SimulatedListener) {
        while let Ok(Some(accepted)) = accept(&mut listener).await {
            let relay = self.clone().relay(accepted.connection);
            self.engine.handle().spawn(async move {
                let _ = relay.await;
            });
        }
    }

    /// One exchange after the other; whatever fails ends both connections.
    async fn relay(self: Rc<Self>, near: Connection<SimulatedReader, SimulatedWriter>) -> Result<(), Broken> {
        let (mut from, mut back) = wire::halves(&self.engine, near, PATIENCE);
        let far = self.engine.connect(self.to).await?;
        let (mut answers, mut to) = wire::halves(&self.engine, far, PATIENCE);
        if self.plant == Plant::Leak && !self.done.replace(true) {
            let held = self.engine.connect(self.to).await?;
            self.engine.handle().spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        loop {
            let head = from.request().await?;
            let mut body = Vec::new();
            from.body(head.announced().unwrap_or(Framing::None), &mut body).await?;
            if self.plant == Plant::Swallow && !self.done.replace(true) {
                sleep(&self.engine, PATIENCE * 2).await;
            }
            self.forward(&mut to, &head, body).await?;
            self.duplicate(&head).await?;
            let (answer, body) = self.answer(&mut answers, &head.method).await?;
            self.give_back(&mut back, &head, answer, body).await?;
        }
    }

    async fn forward(&self, to: &mut Sending, head: &Head, mut body: Vec<u8>) -> Result<(), Broken> {
        if self.plant == Plant::AlterRequestByte && !body.is_empty() && !self.done.replace(true) {
            body[0] ^= 1;
        }
        to.send(&request_bytes(head, &body)).await?;
        if self.plant == Plant::Smuggle && !self.done.replace(true) {
            to.send(&request_bytes(&head.with_path("/t/00000000deadbeef"), b"")).await?;
        }
        Ok(())
    }

    async fn duplicate(&self, head: &Head) -> Result<(), Broken> {
        if self.plant != Plant::DuplicatePost || head.method != "POST" || self.done.replace(true) {
            return Ok(());
        }
        let (_, mut again) = wire::halves(&self.engine, self.engine.connect(self.to).await?, PATIENCE);
        again.send(&request_bytes(head, b"")).await?;
        again.sleep(Duration::from_millis(10)).await;
        Ok(())
    }

    async fn answer(&self, answers: &mut Receiving, method: &str) -> Result<(Head, Vec<u8>), Broken> {
        let head = loop {
            let head = answers.answer().await?;
            if head.status >= 200 {
                break head;
            }
        };
        let mut body = Vec::new();
        answers.body(head.answer_framing(method), &mut body).await?;
        Ok((head, body))
    }

    async fn give_back(
        &self,
        back: &mut Sending,
        request: &Head,
        mut answer: Head,
        mut body: Vec<u8>,
    ) -> Result<(), Broken> {
        let kept = (answer.clone(), body.clone());
        let last = self.last.replace(Some(kept));
        let wants = request.method == "GET" && answer.status == 200 && body.len() > 1;
        match (self.plant, last) {
            (Plant::MixBodies, Some((_, other))) if wants && other.len() > 1 && !self.done.replace(true) => {
                let length = body.len().min(other.len());
                body[..length].copy_from_slice(&other[..length]);
            }
            (Plant::SwapAnswers, Some((head, other))) if wants && !self.done.replace(true) => {
                (answer, body) = (head, other);
            }
            (Plant::DropAnswerByte, _) if wants && !self.done.replace(true) => {
                body.pop();
            }
            _ => {}
        }
        back.send(&answer_bytes(&answer, request, &body)).await
    }
}

fn request_bytes(head: &Head, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", head.method, head.path).into_bytes();
    head.write_fields(&mut bytes);
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn answer_bytes(head: &Head, request: &Head, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} \r\n", head.status).into_bytes();
    head.write_fields(&mut bytes);
    if head.status != 204 {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if request.method != "HEAD" {
        bytes.extend_from_slice(body);
    }
    bytes
}
