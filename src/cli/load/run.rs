//! A run's threads.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, never, select, unbounded};

use super::interrupt::Interrupt;
use crate::base::mailbox::Mailbox;
use crate::cli::Failure;
use crate::cli::cores::EngineKind;
use crate::engine::epoll::Epoll;
use crate::engine::io_uring::IoUring;
use crate::engine::thread_time::thread_time;
use crate::load::client::{self, Order, Surroundings, Told};
use crate::load::plan::Plan;
use crate::load::progress::Progress;
use crate::load::record::Record;

type Orders = Arc<Mailbox<Order>>;

/// Of what threads tell on their progress that much waits at most: a terminal that is held must not fill the memory.
const WAITING_MAX: usize = 1_024;

/// What a thread's end, or the thread itself, tells of it.
enum Event {
    Told(Told),
    Over {
        /// It ended without a record, so that the others would wait for it, or measure something else than was asked for.
        is_broken: bool,
    },
}

/// Tells that a thread is over, even if that is by a panic.
struct Ending {
    index: usize,
    events: Sender<(usize, Event)>,
    is_broken: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // The receiver is gone only after all threads.
        let _ = self.events.send((self.index, Event::Over { is_broken: self.is_broken }));
    }
}

fn tell(index: usize, told: Told, events: &Sender<(usize, Event)>) {
    if matches!(told, Told::Ready) || events.len() < WAITING_MAX {
        let _ = events.send((index, Event::Told(told)));
    }
}

/// Does what `plan` says, and returns what all threads measured. A signal ends it early, with what there is until then.
pub(super) fn execute(
    plan: &Plan,
    engine: EngineKind,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Record, Failure> {
    let plan = Arc::new(plan.clone());
    let (events, told) = unbounded();
    let mut threads = Vec::new();
    let mut mailboxes = Vec::new();
    for index in 0..plan.threads.get() {
        let orders = Orders::default();
        mailboxes.push(orders.clone());
        threads.push(start(engine, plan.clone(), index, orders, events.clone())?);
    }
    drop(events);
    conduct(&mailboxes, &told, interrupt, watch);
    let mut whole = Record::default();
    for thread in threads {
        let record = thread.join().map_err(|_| "a thread of the load tester panicked")?;
        whole.merge(record?);
    }
    Ok(whole)
}

fn start(
    engine: EngineKind,
    plan: Arc<Plan>,
    index: usize,
    orders: Orders,
    events: Sender<(usize, Event)>,
) -> Result<JoinHandle<Result<Record, String>>, Failure> {
    let run = move || {
        let mut ending = Ending { index, events: events.clone(), is_broken: true };
        let surroundings = Surroundings {
            orders,
            tell: Box::new(move |told| tell(index, told, &events)),
            thread_time: Box::new(thread_time),
        };
        let failed = |error: std::io::Error| format!("cannot start {} here: {error}", engine.name());
        let record = match engine {
            EngineKind::Epoll => {
                let engine = Epoll::new().map_err(failed)?;
                engine.run(client::run(engine.clone(), plan, index, surroundings))
            }
            EngineKind::IoUring => {
                let engine = IoUring::new().map_err(failed)?;
                engine.run(client::run(engine.clone(), plan, index, surroundings))
            }
        };
        ending.is_broken = false;
        Ok(record)
    };
    Ok(thread::Builder::new().name(format!("load-{index}")).spawn(run)?)
}

/// Begins once all threads are connected, passes on how far they are, and ends them at a signal or when one of them breaks.
/// Returns when all are over.
fn conduct(
    mailboxes: &[Orders],
    events: &Receiver<(usize, Event)>,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(&Progress),
) {
    let order = |order| mailboxes.iter().for_each(|mailbox| mailbox.send(order));
    let mut latest = vec![Progress::default(); mailboxes.len()];
    let (mut ready, mut over) = (0, 0);
    let nothing = never();
    let mut signalled = interrupt.signalled();
    loop {
        select! {
            recv(events) -> message => match message {
                Ok((_, Event::Told(Told::Ready))) => {
                    ready += 1;
                    if ready == mailboxes.len() {
                        order(Order::Begin);
                    }
                }
                Ok((index, Event::Told(Told::Progress(progress)))) => {
                    latest[index] = progress;
                    if index == 0 {
                        watch(&whole(&latest));
                    }
                }
                Ok((_, Event::Over { is_broken })) => {
                    if is_broken {
                        order(Order::End);
                    }
                    over += 1;
                    if over == mailboxes.len() {
                        return;
                    }
                }
                Err(_) => return,
            },
            recv(signalled) -> _ => {
                order(Order::End);
                signalled = &nothing;
            }
        }
    }
}

fn whole(parts: &[Progress]) -> Progress {
    let mut whole = parts[0].clone();
    parts[1..].iter().for_each(|part| whole.merge(part));
    whole
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_thread_that_panics_before_the_beginning_ends_the_others() {
        let (events, told) = unbounded();
        let mailboxes: Vec<Orders> = (0..2).map(|_| Orders::default()).collect();
        tell(0, Told::Ready, &events);
        let ending = Ending { index: 1, events: events.clone(), is_broken: true };
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _ending = ending;
            panic!("on purpose");
        }));
        assert!(panic.is_err());
        drop(Ending { index: 0, events: events.clone(), is_broken: false });
        let (_sender, interrupt) = Interrupt::by_sender();
        conduct(&mailboxes, &told, &interrupt, &mut |_| {});
        for mailbox in &mailboxes {
            assert_eq!(at_once(mailbox.receive()), Some(Order::End));
        }
    }

    #[test]
    fn progress_that_nobody_takes_is_bounded_and_readiness_is_told_all_the_same() {
        let (events, told) = unbounded();
        (0..WAITING_MAX + 10).for_each(|_| tell(0, Told::Progress(Progress::default()), &events));
        tell(0, Told::Ready, &events);
        assert_eq!(told.len(), WAITING_MAX + 1);
    }

    /// What is ready at once.
    fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}
