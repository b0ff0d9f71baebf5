//! Deadlines: one lazily moved timer per waiting task instead of one per operation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use super::error::IoError;
use super::executor::Handle;
use crate::base::time::Moment;

type Key = (Moment, u64);

/// The armed timers of one thread, by moment.
///
/// A tree rather than a wheel: deadlines are moved lazily (see [`Timer`]), so that a busy connection touches it about
/// once per time-out period and not per request.
#[derive(Debug, Default)]
pub(super) struct Timers {
    armed: RefCell<BTreeMap<Key, Waker>>,
    last: std::cell::Cell<u64>,
}

impl Timers {
    fn arm(&self, at: Moment, waker: Waker) -> Key {
        let key = (at, self.last.get());
        self.last.set(key.1.wrapping_add(1));
        self.armed.borrow_mut().insert(key, waker);
        key
    }

    fn disarm(&self, key: Key) {
        self.armed.borrow_mut().remove(&key);
    }

    /// The first moment at which something is due.
    pub(super) fn next(&self) -> Moment {
        self.armed.borrow().first_key_value().map_or(Moment::NEVER, |(key, _)| key.0)
    }

    /// Wakes all that is due at `now`.
    pub(super) fn fire(&self, now: Moment) {
        loop {
            let mut armed = self.armed.borrow_mut();
            let Some(entry) = armed.first_entry().filter(|entry| entry.key().0 <= now) else { return };
            let waker = entry.remove();
            drop(armed);
            waker.wake();
        }
    }
}

/// A task's timer. Moving its deadline later costs a comparison: the armed entry stays and the task looks again when
/// it fires.
///
/// A timer belongs to the task that waits with it; it must not move to another while armed.
#[derive(Debug)]
pub struct Timer {
    handle: Handle,
    armed: Option<Key>,
}

impl Timer {
    pub(super) fn new(handle: Handle) -> Self {
        Timer { handle, armed: None }
    }

    /// Ready at `deadline` or later.
    pub fn poll_expired(&mut self, deadline: Moment, context: &mut Context<'_>) -> Poll<()> {
        let now = self.handle.now();
        if now >= deadline {
            return Poll::Ready(());
        }
        if let Some(key) = self.armed {
            if key.0 <= deadline && key.0 > now {
                return Poll::Pending;
            }
            self.handle.timers().disarm(key);
            self.armed = None;
        }
        if deadline < Moment::NEVER {
            self.armed = Some(self.handle.timers().arm(deadline, context.waker().clone()));
        }
        Poll::Pending
    }

    /// Waits until `deadline`.
    pub async fn sleep_until(&mut self, deadline: Moment) {
        poll_fn(|context| self.poll_expired(deadline, context)).await;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(key) = self.armed {
            self.handle.timers().disarm(key);
        }
    }
}

/// Polls `operation` until it is ready or `deadline` has come. An operation that is ready wins over its deadline.
///
/// # Errors
/// [`IoError::TimedOut`] at the deadline.
pub fn within<T>(
    timer: &mut Timer,
    deadline: Moment,
    mut operation: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> impl Future<Output = Result<T, IoError>> {
    poll_fn(move |context| match operation(context) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => timer.poll_expired(deadline, context).map(|()| Err(IoError::TimedOut)),
    })
}
