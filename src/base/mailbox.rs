//! What the control thread says to a core: a queue that wakes a sleeping core.

use std::future::poll_fn;
use std::task::Poll;
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

/// The queue of one core. Any thread may send; the core alone receives.
#[derive(Debug, Default)]
pub struct Mailbox {
    queue: SegQueue<CoreMessage>,
    receiver: AtomicWaker,
}

impl Mailbox {
    /// Queues a message and wakes the core. The waker of the core's executor writes to its eventfd.
    pub fn send(&self, message: CoreMessage) {
        self.queue.push(message);
        self.receiver.wake();
    }

    /// The next message, waited for.
    pub async fn receive(&self) -> CoreMessage {
        poll_fn(|context| {
            if let Some(message) = self.queue.pop() {
                return Poll::Ready(message);
            }
            self.receiver.register(context.waker());
            // One that came between the look and the registration would not wake anybody.
            self.queue.pop().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
