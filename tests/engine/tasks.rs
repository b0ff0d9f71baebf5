//! Tasks, timers and wake-ups.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use ringway::engine::{Engine, Handle};
use tokio::sync::{mpsc, oneshot};

use crate::bench::Bench;

async fn sleep(handle: &Handle, time: Duration) {
    handle.timer().sleep_until(handle.now() + time).await;
}

pub(crate) async fn sleepers_wake_in_the_order_of_their_deadlines<B: Bench>(bench: Rc<B>) {
    let handle = bench.engine().handle().clone();
    let (woken, mut order) = mpsc::unbounded_channel();
    let start = handle.now();
    for millis in [9, 3, 6, 3, 1] {
        let (handle, woken) = (handle.clone(), woken.clone());
        handle.clone().spawn(async move {
            sleep(&handle, Duration::from_millis(millis)).await;
            assert!(handle.now().since(start) >= Duration::from_millis(millis));
            woken.send(millis).unwrap();
        });
    }
    for expected in [1, 3, 3, 6, 9] {
        assert_eq!(order.recv().await, Some(expected));
    }
}

pub(crate) async fn a_task_may_spawn_and_its_children_run<B: Bench>(bench: Rc<B>) {
    fn tree(handle: &Handle, depth: u32, done: mpsc::UnboundedSender<u32>) {
        let inner = handle.clone();
        handle.spawn(async move {
            if depth > 0 {
                tree(&inner, depth - 1, done.clone());
                tree(&inner, depth - 1, done.clone());
            }
            done.send(depth).unwrap();
        });
    }
    let handle = bench.engine().handle().clone();
    let (done, mut order) = mpsc::unbounded_channel();
    tree(&handle, 6, done);
    let mut depths = Vec::new();
    while let Some(depth) = order.recv().await {
        depths.push(depth);
    }
    assert_eq!(depths.len(), 127);
    assert!(depths.is_sorted_by(|left, right| left >= right), "tasks run in the order of their start");
}

/// Old wakers are kept and used, from this thread and from another, while new tasks take the old ones' places.
pub(crate) async fn a_waker_that_outlives_its_task_is_harmless<B: Bench>(bench: Rc<B>) {
    let handle = bench.engine().handle().clone();
    let kept: Rc<RefCell<Vec<Waker>>> = Rc::default();
    for round in 0..20 {
        let (ended, end) = oneshot::channel();
        let wakers = kept.clone();
        handle.spawn(async move {
            poll_fn(|context| {
                wakers.borrow_mut().push(context.waker().clone());
                Poll::Ready(())
            })
            .await;
            ended.send(round).unwrap();
        });
        kept.borrow().iter().for_each(Waker::wake_by_ref);
        assert_eq!(end.await, Ok(round));
    }
    sleep(&handle, Duration::from_micros(10)).await;
    let tasks = handle.tasks();
    let wakers: Vec<Waker> = kept.take();
    std::thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
    sleep(&handle, Duration::from_micros(10)).await;
    assert_eq!(handle.tasks(), tasks);
}

pub(crate) async fn a_timer_moves_earlier_and_later<B: Bench>(bench: Rc<B>) {
    let handle = bench.engine().handle().clone();
    let start = handle.now();
    let far = start + Duration::from_secs(3600);
    let mut timer = handle.timer();
    poll_fn(|context| {
        assert!(timer.poll_expired(far, context).is_pending());
        Poll::Ready(())
    })
    .await;
    timer.sleep_until(start + Duration::from_millis(2)).await;
    assert!(handle.now() >= start + Duration::from_millis(2) && handle.now() < far);

    let start = handle.now();
    poll_fn(|context| {
        assert!(timer.poll_expired(start + Duration::from_millis(2), context).is_pending());
        Poll::Ready(())
    })
    .await;
    timer.sleep_until(start + Duration::from_millis(8)).await;
    assert!(handle.now() >= start + Duration::from_millis(8));
    timer.sleep_until(start).await;
}

pub(crate) async fn a_dropped_timer_wakes_nobody<B: Bench>(bench: Rc<B>) {
    let handle = bench.engine().handle().clone();
    let polls = Rc::new(Cell::new(0));
    let (counted, inner) = (polls.clone(), handle.clone());
    handle.spawn(async move {
        let mut timer = Some(inner.timer());
        let deadline = inner.now() + Duration::from_millis(2);
        poll_fn(|context| {
            counted.set(counted.get() + 1);
            if let Some(mut timer) = timer.take() {
                assert!(timer.poll_expired(deadline, context).is_pending());
            }
            Poll::<()>::Pending
        })
        .await;
    });
    sleep(&handle, Duration::from_millis(6)).await;
    assert_eq!(polls.get(), 1);
}

/// Sends once the core's thread sleeps in the kernel; the case's time limit catches a wake-up that is lost.
pub(crate) async fn another_thread_wakes_a_sleeping_core<B: Bench>(bench: Rc<B>) {
    let handle = bench.engine().handle().clone();
    let status = format!("/proc/self/task/{}/stat", rustix::thread::gettid().as_raw_nonzero());
    for round in 0..50 {
        let (sender, receiver) = oneshot::channel();
        let status = status.clone();
        let start = handle.now();
        let thread = std::thread::spawn(move || {
            while !std::fs::read_to_string(&status).unwrap().contains(") S ") {
                std::thread::yield_now();
            }
            sender.send(round).unwrap();
        });
        assert_eq!(receiver.await, Ok(round));
        assert!(handle.now().since(start) < Duration::from_secs(20), "only the timer woke it");
        thread.join().unwrap();
    }
}
