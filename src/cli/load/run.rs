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

/// Does what `plan` says, and returns what all threads measured. A signal ends it early, with what there is until then.
pub(super) fn execute(
    plan: &Plan,
    engine: EngineKind,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Record, Failure> {
    let plan = Arc::new(plan.clone());
    let (tell, told) = unbounded();
    let mut threads = Vec::new();
    let mut mailboxes = Vec::new();
    for index in 0..plan.threads.get() {
        let orders = Orders::default();
        mailboxes.push(orders.clone());
        threads.push(start(engine, plan.clone(), index, orders, tell.clone())?);
    }
    drop(tell);
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
    tell: Sender<(usize, Told)>,
) -> Result<JoinHandle<Result<Record, String>>, Failure> {
    let run = move || {
        let surroundings = Surroundings {
            orders,
            // The receiver is gone only after all threads.
            tell: Box::new(move |told| drop(tell.send((index, told)))),
            thread_time: Box::new(thread_time),
        };
        let failed = |error: std::io::Error| format!("cannot start {} here: {error}", engine.name());
        Ok(match engine {
            EngineKind::Epoll => {
                let engine = Epoll::new().map_err(failed)?;
                engine.run(client::run(engine.clone(), plan, index, surroundings))
            }
            EngineKind::IoUring => {
                let engine = IoUring::new().map_err(failed)?;
                engine.run(client::run(engine.clone(), plan, index, surroundings))
            }
        })
    };
    Ok(thread::Builder::new().name(format!("load-{index}")).spawn(run)?)
}

/// Begins once all threads are connected, passes on how far they are, and ends them at a signal. Returns when all are over.
fn conduct(
    mailboxes: &[Orders],
    told: &Receiver<(usize, Told)>,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(&Progress),
) {
    let order = |order| mailboxes.iter().for_each(|mailbox| mailbox.send(order));
    let mut latest = vec![Progress::default(); mailboxes.len()];
    let mut ready = 0;
    let nothing = never();
    let mut signalled = interrupt.signalled();
    loop {
        select! {
            recv(told) -> message => match message {
                Ok((_, Told::Ready)) => {
                    ready += 1;
                    if ready == mailboxes.len() {
                        order(Order::Begin);
                    }
                }
                Ok((index, Told::Progress(progress))) => {
                    latest[index] = progress;
                    if index == 0 {
                        watch(&whole(&latest));
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
