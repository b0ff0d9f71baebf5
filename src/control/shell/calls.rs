//! The queue of calls, from the admin interface to the control thread.

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::control::call::{Call, CallAnswer};

/// Calls that may wait for the control thread; one more is refused at once.
pub const CALLS_MAX: usize = 64;

/// A call that waits for its answer.
#[derive(Debug)]
pub struct PendingCall {
    /// What is asked for.
    pub call: Call,
    /// Where the answer goes. The caller may have left: then nobody takes it, and the change stands all the same.
    pub reply: oneshot::Sender<CallAnswer>,
}

/// Why the control thread did not hear a call, or did not answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unheard {
    /// As many calls as may wait are waiting.
    #[error("{CALLS_MAX} calls are waiting already; repeat this one later")]
    Busy,
    /// The control thread ended, or gave the call up.
    #[error("Ringway is stopping and answers no calls any more")]
    Gone,
}

/// The sending end, for any number of callers.
#[derive(Clone, Debug)]
pub struct Calls(mpsc::Sender<PendingCall>);

/// A queue of [`CALLS_MAX`] calls.
pub fn calls() -> (Calls, mpsc::Receiver<PendingCall>) {
    let (sender, receiver) = mpsc::channel(CALLS_MAX);
    (Calls(sender), receiver)
}

impl Calls {
    /// Hands a call over and waits for its answer, for as long as the control thread takes.
    ///
    /// # Errors
    /// When the call was not heard. After [`Unheard::Gone`] it may have been carried out all the same.
    pub async fn make(&self, call: Call) -> Result<CallAnswer, Unheard> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(PendingCall { call, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unheard::Busy,
            mpsc::error::TrySendError::Closed(_) => Unheard::Gone,
        })?;
        answer.await.map_err(|_| Unheard::Gone)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::control::call::{CallError, Change};

    fn call(n: i64) -> Call {
        Call { service: None, change: Change::Add { n, names: Vec::new() }, wait: false }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
    }

    #[test]
    fn a_call_gets_its_answer() {
        run(async {
            let (calls, mut pending) = calls();
            let control = async {
                let PendingCall { call, reply } = pending.recv().await.unwrap();
                reply.send(Err(CallError::NotPositive(-1))).unwrap();
                call
            };
            let (answer, heard) = tokio::join!(calls.make(call(-1)), control);
            assert_eq!((answer, heard), (Ok(Err(CallError::NotPositive(-1))), call(-1)));
        });
    }

    #[test]
    fn a_full_queue_refuses_and_a_closed_one_too() {
        run(async {
            let (calls, pending) = calls();
            let mut waiting: Vec<_> = (0..CALLS_MAX).map(|_| Box::pin(calls.make(call(1)))).collect();
            for waiting in &mut waiting {
                let context = &mut Context::from_waker(Waker::noop());
                assert!(waiting.as_mut().poll(context).is_pending());
            }
            assert_eq!(calls.make(call(1)).await, Err(Unheard::Busy));
            drop(pending);
            assert_eq!(calls.make(call(1)).await, Err(Unheard::Gone));
            for waiting in waiting {
                assert_eq!(waiting.await, Err(Unheard::Gone));
            }
        });
    }
}
