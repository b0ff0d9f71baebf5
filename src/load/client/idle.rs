//! The connections of an open loop that have nothing to do, in the order in which they became idle.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::load::schedule::Ticket;

/// The queue of those who wait for a request. The one that has waited longest gets the next, so that all are used.
#[derive(Default)]
pub(super) struct Idle {
    queue: RefCell<VecDeque<Rc<Place>>>,
    closed: Cell<bool>,
    /// Who hands out, while the queue is empty.
    giver: RefCell<Option<Waker>>,
}

struct Place {
    ticket: Cell<Option<Ticket>>,
    waker: RefCell<Waker>,
}

impl Idle {
    /// Waits for a request; `None` if there are no more.
    pub(super) async fn take(&self) -> Option<Ticket> {
        let place = Rc::new(Place { ticket: Cell::new(None), waker: RefCell::new(Waker::noop().clone()) });
        self.queue.borrow_mut().push_back(place.clone());
        if let Some(giver) = self.giver.borrow_mut().take() {
            giver.wake();
        }
        poll_fn(|context| {
            if let Some(ticket) = place.ticket.take() {
                return Poll::Ready(Some(ticket));
            }
            if self.closed.get() {
                return Poll::Ready(None);
            }
            place.waker.borrow_mut().clone_from(context.waker());
            Poll::Pending
        })
        .await
    }

    /// Whether nobody waits for a request.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Waits until somebody waits for a request.
    pub(super) async fn wait_for_one(&self) {
        poll_fn(|context| {
            if !self.is_empty() {
                return Poll::Ready(());
            }
            *self.giver.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Gives a request to the one that has waited longest; there must be one.
    pub(super) fn give(&self, ticket: Ticket) {
        let place = self.queue.borrow_mut().pop_front();
        debug_assert!(place.is_some());
        if let Some(place) = place {
            place.ticket.set(Some(ticket));
            place.waker.borrow().wake_by_ref();
        }
    }

    /// There are no more: all who wait, or come to wait, are told so.
    pub(super) fn close(&self) {
        self.closed.set(true);
        for place in self.queue.borrow_mut().drain(..) {
            place.waker.borrow().wake_by_ref();
        }
    }
}
