//! What another thread says to a thread that runs an engine: a queue that wakes it.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use crossbeam::queue::SegQueue;

/// One message to a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreMessage {
    /// A new snapshot is published: take it up and report its generation, even if no request comes.
    Refresh,
    /// Finish: accept for `lame_duck` more, then only what is queued, and end what is open within `timeout`.
    Drain {
        /// How long new connections are still welcome.
        lame_duck: Duration,
        /// How long open exchanges may take after that.
        timeout: Duration,
    },
}

/// The queue of one core, or of another thread with an engine. Any thread may send; that one alone receives.
#[derive(Debug)]
pub struct Mailbox<Message = CoreMessage> {
    queue: SegQueue<Message>,
    receiver: AtomicWaker,
}

impl<Message> Default for Mailbox<Message> {
    fn default() -> Self {
        Mailbox { queue: SegQueue::new(), receiver: AtomicWaker::new() }
    }
}

impl<Message> Mailbox<Message> {
    /// Queues a message and wakes the receiver. The waker of its executor writes to its eventfd.
    pub fn send(&self, message: Message) {
        self.queue.push(message);
        self.receiver.wake();
    }

    /// The next message, waited for.
    pub async fn receive(&self) -> Message {
        poll_fn(|context| self.poll_receive(context)).await
    }

    /// The next message. Only the last one who waits for it is woken.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Message> {
        if let Some(message) = self.queue.pop() {
            return Poll::Ready(message);
        }
        self.receiver.register(context.waker());
        // One that came between the look and the registration would not wake anybody.
        self.queue.pop().map_or(Poll::Pending, Poll::Ready)
    }
}
