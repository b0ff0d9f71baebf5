//! Deadlines: one lazily moved timer per waiting task instead of one per operation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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

    /// Ready at `deadline`, or by up to a 64th of the wait later: the deadlines of thousands of connections, each at a
    /// moment of its own, would keep the thread busy with ending waits.
    pub fn poll_expired(&mut self, deadline: Moment, context: &mut Context<'_>) -> Poll<()> {
        self.poll_until(deadline, rounded_up, context)
    }

    /// Ready at `moment`, as exactly as the engine can: for what is to be done then, rather than given up.
    pub fn poll_due(&mut self, moment: Moment, context: &mut Context<'_>) -> Poll<()> {
        self.poll_until(moment, |moment, _| moment, context)
    }

    /// Waits until `moment`. See [`Timer::poll_due`].
    pub async fn sleep_until(&mut self, moment: Moment) {
        poll_fn(|context| self.poll_due(moment, context)).await;
    }

    fn poll_until(
        &mut self,
        deadline: Moment,
        armed_for: impl Fn(Moment, Duration) -> Moment,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let now = self.handle.now();
        if now >= deadline {
            return Poll::Ready(());
        }
        let at = armed_for(deadline, deadline - now);
        if let Some(key) = self.armed {
            if key.0 <= at && key.0 > now {
                return Poll::Pending;
            }
            self.handle.timers().disarm(key);
            self.armed = None;
        }
        if deadline < Moment::NEVER {
            self.armed = Some(self.handle.timers().arm(at, context.waker().clone()));
        }
        Poll::Pending
    }
}

/// The first multiple of a power of two of nanoseconds at `deadline` or later, which is `wait` away; of the largest power
/// that is at most a 64th of the wait.
fn rounded_up(deadline: Moment, wait: Duration) -> Moment {
    let slack = u64::try_from(wait.as_nanos() / 64).unwrap_or(u64::MAX).max(1);
    let grid = 1 << slack.ilog2();
    Moment::from_nanos(deadline.as_nanos().checked_next_multiple_of(grid).unwrap_or(deadline.as_nanos()))
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(key) = self.armed {
            self.handle.timers().disarm(key);
        }
    }
}

/// Polls `operation` until it is ready or `deadline` has come: see [`Timer::poll_expired`]. An operation that is ready wins over its deadline.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_rounded_up_by_at_most_a_64th_of_its_wait() {
        let start = Duration::from_nanos(987_654_321);
        for wait in [0, 1, 63, 64, 100_000, 1_000_000, 1_000_000_007, 75_000_000_000, u64::MAX / 2] {
            let wait = Duration::from_nanos(wait);
            let deadline = Moment::ORIGIN + start + wait;
            let late = rounded_up(deadline, wait) - deadline;
            assert!(rounded_up(deadline, wait) >= deadline && late <= wait / 64, "{wait:?}: {late:?}");
        }
        assert_eq!(rounded_up(Moment::NEVER, Duration::MAX), Moment::NEVER);
    }

    /// Connections that wait for 10 s, and come a millisecond apart, end their waits together.
    #[test]
    fn many_deadlines_share_few_moments() {
        let wait = Duration::from_secs(10);
        let moments: std::collections::BTreeSet<Moment> = (0..9_000)
            .map(|index| rounded_up(Moment::ORIGIN + Duration::from_millis(index) + wait, wait))
            .collect();
        assert!((60..80).contains(&moments.len()), "{}", moments.len());
    }
}
