//! A connection's other end: it plays its script, and keeps all that it sent and got.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ringway::engine::simulated::{Simulated, SimulatedReader, SimulatedWriter};
use ringway::engine::{Connection, Writer};

use super::script::{Act, Script};
use super::wire::{self, Receiving, Sending};
use crate::fuzzed::messages::{self, Message};

/// How long a peer waits for anything: longer than all that the proxy may do.
const PATIENCE: Duration = Duration::from_secs(10);
/// A cut between bytes: the proxy sees what came before it alone.
const PAUSE: Duration = Duration::from_millis(2);
/// Longer than each of the proxy's own waits.
pub(super) const STALL: Duration = Duration::from_millis(1_500);

/// What went over a connection, as this end knows it.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// What the peer sent, or tried to.
    pub(super) sent: Vec<u8>,
    pub(super) received: Vec<u8>,
    /// Nothing more comes.
    pub(super) is_over: bool,
    /// Nothing more is sent, and nothing read.
    pub(super) is_reset: bool,
}

/// Who a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Backend,
}

/// Plays `script` until it is over and the proxy has ended its side, too.
pub(super) async fn play(
    engine: Simulated,
    connection: Connection<SimulatedReader, SimulatedWriter>,
    role: Role,
    script: Script,
    record: Rc<RefCell<Record>>,
) {
    let (receiving, sending) = wire::halves(&engine, connection, PATIENCE);
    let mut reader = pin!(read(receiving, &record));
    let mut writer = pin!(write(sending, role, script, &record));
    let (mut has_read, mut has_written) = (false, false);
    poll_fn(|context| {
        has_read = has_read || reader.as_mut().poll(context).is_ready();
        has_written = has_written || writer.as_mut().poll(context).is_ready();
        let is_over = record.borrow().is_reset || (has_read && has_written);
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn read(mut receiving: Receiving, record: &RefCell<Record>) {
    while receiving.fill().await.is_ok() {
        record.borrow_mut().received.append(&mut receiving.pending);
    }
    record.borrow_mut().is_over = true;
}

async fn write(mut sending: Sending, role: Role, script: Script, record: &RefCell<Record>) {
    let (mut heads, mut wholes) = (0, 0);
    for act in script {
        match act {
            Act::Send(bytes) => {
                record.borrow_mut().sent.extend_from_slice(&bytes);
                if sending.send(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Pause => sending.sleep(PAUSE).await,
            Act::Stall => sending.sleep(STALL).await,
            Act::AwaitHead => {
                heads += 1;
                wait(record, |come| come.heads >= heads, role).await;
            }
            Act::AwaitWhole => {
                wholes += 1;
                heads = heads.max(wholes);
                wait(record, |come| come.wholes >= wholes, role).await;
            }
            Act::End => {
                sending.writer.shutdown();
                return;
            }
            Act::Reset => {
                sending.writer.abort();
                record.borrow_mut().is_reset = true;
                return;
            }
        }
    }
}

/// Waits for what `has_come` says, or until nothing more comes. Polled with the reader by one task, which therefore needs
/// no other waker.
async fn wait(record: &RefCell<Record>, has_come: impl Fn(Come) -> bool, role: Role) {
    poll_fn(|_| {
        let record = record.borrow();
        if record.is_over || has_come(record.come(role)) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// How many messages have come: heads, interim ones too, and whole requests or final answers.
struct Come {
    heads: usize,
    wholes: usize,
}

impl Record {
    fn come(&self, role: Role) -> Come {
        let (messages, _) = match role {
            Role::Client => messages::answers(&self.received, &self.methods()),
            Role::Backend => messages::requests(&self.received, false),
        };
        let is_whole = |message: &&Message| message.whole && !(100..200).contains(&message.head.status);
        Come { heads: messages.len(), wholes: messages.iter().filter(is_whole).count() }
    }

    /// The methods of the requests that a client sent.
    pub(super) fn methods(&self) -> Vec<Vec<u8>> {
        let (requests, _) = messages::requests(&self.sent, true);
        requests.into_iter().map(|request| request.head.method).collect()
    }
}
