//! Requests whose bodies are still on their way, as one core has them on one replica.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::base::time::Moment;
use crate::engine::{IoError, Timer, within};

/// A bound on the uploads that hold one of a replica's connections each.
///
/// How long an upload takes is its client's choice, within the least rate. Without a bound of their own a thousand clients
/// that drip would hold all connections of a pool, and keep out the requests that need one for a millisecond.
#[derive(Debug)]
pub(super) struct Uploads {
    max: usize,
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
    /// None under way, on a replica that takes `connections_max` connections. Three quarters of them are for uploads, and
    /// a single one is for whatever comes.
    pub(super) fn new(connections_max: usize) -> Rc<Uploads> {
        let max = connections_max.div_ceil(4).saturating_mul(3).min(connections_max);
        Rc::new(Uploads { max, under_way: Cell::new(0), queue: RefCell::default() })
    }

    /// Begins an upload; it waits for its turn until `deadline`.
    ///
    /// # Errors
    /// [`IoError::TimedOut`] at the deadline.
    pub(super) async fn begin(
        self: &Rc<Self>,
        timer: &mut Timer,
        deadline: Moment,
    ) -> Result<Upload, IoError> {
        if self.under_way.get() < self.max {
            self.under_way.set(self.under_way.get() + 1);
            return Ok(Upload { uploads: self.clone() });
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
        .await?;
        place.turn.granted.set(false);
        Ok(Upload { uploads: self.clone() })
    }

    /// How many wait, or have left without having been noticed.
    pub(super) fn waiting(&self) -> usize {
        self.queue.borrow().len()
    }

    /// An upload is over: the first that still waits begins in its stead.
    fn pass_on(&self) {
        while let Some(turn) = self.queue.borrow_mut().pop_front() {
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
        let bounds = [(1, 1), (2, 2), (4, 3), (8, 6), (1024, 768)];
        for (connections, uploads) in bounds {
            assert_eq!(Uploads::new(connections).max, uploads, "{connections} connections");
        }
    }

    #[test]
    fn uploads_take_turns_and_those_that_left_are_passed_over() {
        let engine = Simulated::new(1, Default::default());
        engine.clone().run(async move {
            let handle = engine.handle();
            let uploads = Uploads::new(1);
            let first = uploads.begin(&mut handle.timer(), Moment::NEVER).await.unwrap();
            let done = Rc::new(RefCell::new(Vec::new()));
            for (name, patience) in [("impatient", 1), ("second", 100), ("third", 100)] {
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
            assert_eq!(*done.borrow(), [("impatient", false)]);
            drop(first);
            timer.sleep_until(handle.now() + Duration::from_millis(10)).await;
            assert_eq!(done.borrow()[1..], [("second", true), ("third", true)]);
            assert_eq!((uploads.under_way.get(), uploads.waiting()), (0, 0));
        });
    }
}
