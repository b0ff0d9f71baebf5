//! Requests whose bodies are still on their way, as one core has them on one replica.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::base::time::Moment;
use crate::engine::{Timer, within};
use crate::proxy::fault::UpstreamFault;

/// A bound on the uploads that hold one of a replica's connections each.
///
/// How long an upload takes is its client's choice, within the least rate. Without a bound of their own a thousand clients
/// that drip would hold all connections of a pool, and keep out the requests that need one for a millisecond.
#[derive(Debug)]
pub(super) struct Uploads {
    max: usize,
    queue_max: usize,
    under_way: Cell<usize>,
    /// In order of arrival; those that have left stay until they come to the front.
    queue: RefCell<VecDeque<Rc<Turn>>>,
}

#[derive(Debug, Default)]
struct Turn {
    granted: Cell<bool>,
    left: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One upload under way. Dropping it lets the next one begin.
#[derive(Debug)]
pub(super) struct Upload {
    uploads: Rc<Uploads>,
}

impl Uploads {
    /// None under way, on a replica that takes `connections_max` connections. A quarter of them, at least one, is left to
    /// others; a single one is for whatever comes. At most `queue_max` uploads wait.
    pub(super) fn new(connections_max: usize, queue_max: usize) -> Rc<Uploads> {
        let max = (connections_max - connections_max.div_ceil(4)).max(1);
        Rc::new(Uploads { max, queue_max, under_way: Cell::new(0), queue: RefCell::default() })
    }

    /// Begins an upload; it waits for its turn until `deadline`.
    ///
    /// # Errors
    /// [`UpstreamFault::QueueFull`], or [`UpstreamFault::QueueTimedOut`] at the deadline.
    pub(super) async fn begin(
        self: &Rc<Self>,
        timer: &mut Timer,
        deadline: Moment,
    ) -> Result<Upload, UpstreamFault> {
        if self.under_way.get() < self.max {
            self.under_way.set(self.under_way.get() + 1);
            return Ok(Upload { uploads: self.clone() });
        }
        if self.queue.borrow().len() >= self.queue_max {
            return Err(UpstreamFault::QueueFull);
        }
        let place = Place { uploads: self, turn: Rc::default() };
        self.queue.borrow_mut().push_back(place.turn.clone());
        within(timer, deadline, |context| {
            if place.turn.granted.get() {
                return Poll::Ready(());
            }
            *place.turn.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
        .map_err(|_| UpstreamFault::QueueTimedOut)?;
        place.turn.granted.set(false);
        Ok(Upload { uploads: self.clone() })
    }

    /// An upload is over: the first that still waits begins in its stead.
    fn pass_on(&self) {
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let Some(turn) = next else { break };
            if !turn.left.get() {
                turn.granted.set(true);
                let waker = turn.waker.take();
                return waker.into_iter().for_each(Waker::wake);
            }
        }
        self.under_way.set(self.under_way.get() - 1);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.uploads.pass_on();
    }
}

/// A place in the queue. Whoever leaves with a turn that it did not take passes it on.
struct Place<'a> {
    uploads: &'a Rc<Uploads>,
    turn: Rc<Turn>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turn.left.set(true);
        if self.turn.granted.get() {
            return self.uploads.pass_on();
        }
        let mut queue = self.uploads.queue.borrow_mut();
        while queue.front().is_some_and(|turn| turn.left.get()) {
            queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Engine;
    use crate::engine::simulated::Simulated;

    #[test]
    fn a_quarter_of_the_connections_is_left_to_others() {
        for (connections, uploads) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (8, 6), (1024, 768)] {
            assert_eq!(Uploads::new(connections, 0).max, uploads, "{connections} connections");
        }
    }

    #[test]
    fn uploads_take_turns_and_those_that_left_are_passed_over() {
        let engine = Simulated::new(1, Default::default());
        engine.clone().run(async move {
            let handle = engine.handle();
            let uploads = Uploads::new(1, 3);
            let first = uploads.begin(&mut handle.timer(), Moment::NEVER).await.unwrap();
            let done = Rc::new(RefCell::new(Vec::new()));
            for (name, patience) in [("impatient", 1), ("second", 100), ("third", 100), ("fourth", 100)] {
                let (uploads, done, engine) = (uploads.clone(), done.clone(), engine.clone());
                handle.spawn(async move {
                    let mut timer = engine.handle().timer();
                    let deadline = engine.handle().now() + Duration::from_millis(patience);
                    let begun = uploads.begin(&mut timer, deadline).await;
                    done.borrow_mut().push((name, begun.is_ok()));
                });
            }
            let mut timer = handle.timer();
            timer.sleep_until(handle.now() + Duration::from_millis(10)).await;
            assert_eq!(
                *done.borrow(),
                [("fourth", false), ("impatient", false)],
                "one too many, one too late"
            );
            drop(first);
            timer.sleep_until(handle.now() + Duration::from_millis(10)).await;
            assert_eq!(done.borrow()[2..], [("second", true), ("third", true)]);
            assert_eq!((uploads.under_way.get(), uploads.queue.borrow().len()), (0, 0));
        });
    }
}
