//! A replica that dies, or falls silent, at each step of an exchange: what the client sees, how often replicas were
//! asked, and what is counted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::core_counters::Phase;
use ringway::engine::{Engine, Writer};
use ringway::placement::KeyHash;

use super::scene::{answer, ask, backend, get, lateness_max, play, web, with_body};
use crate::stage::{Stage, backend_address};
use crate::wire::{Broken, Framing, Receiving, Sending};

const REPLICAS: usize = 4;
const BODY: [u8; 1000] = [b'b'; 1000];
const ANSWER_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

/// How far a replica comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    BeforeAccept,
    AfterConnect,
    MidRequestHead,
    AfterRequest,
    MidResponseHead,
    AfterResponseHead,
    MidBody,
    AtTheEnd,
}

/// What becomes of it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Dies,
    FallsSilent,
}

/// What its client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Whole,
    Cut,
    Own(u16),
}

/// What is expected of one exchange.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    seen: Seen,
    /// Connections that replicas accepted, and requests that they read to the end.
    accepted: u64,
    read: u64,
    retries: u64,
    timeout: Option<Phase>,
    timeouts: u64,
    aborted_after_head: u64,
}

/// Goes as far as `step`; an error is the end of the connection.
async fn serve(step: Step, receiving: &mut Receiving, sending: &mut Sending, read: &Cell<u64>) {
    let moment = Duration::from_millis(5);
    if step == Step::MidRequestHead {
        receiving.allowance = 10;
    }
    if step < Step::MidRequestHead {
        return;
    }
    let Ok(head) = receiving.request().await else { return };
    let framing = head.announced().unwrap_or(Framing::None);
    if receiving.body(framing, &mut Vec::new()).await.is_err() {
        return;
    }
    read.set(read.get() + 1);
    let answer = [ANSWER_HEAD, &[b'a'; 100]].concat();
    let length = match step {
        Step::MidResponseHead => 20,
        Step::AfterResponseHead => ANSWER_HEAD.len(),
        Step::MidBody => ANSWER_HEAD.len() + 50,
        Step::AtTheEnd => answer.len(),
        _ => 0,
    };
    let _ = sending.send(&answer[..length]).await;
    // What was sent arrives before the reset that may take it with it.
    sending.sleep(moment).await;
}

async fn account(stage: Rc<Stage>, step: Step, end: End, method: &'static str) -> Account {
    let (accepted, read) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    for number in 0..REPLICAS {
        match (step, end) {
            (Step::BeforeAccept, End::Dies) => continue,
            (Step::BeforeAccept, End::FallsSilent) => stage.network.silence(backend_address(number)),
            _ => {}
        }
        let (accepted, read) = (accepted.clone(), read.clone());
        backend(&stage.engine, backend_address(number), move |mut receiving, mut sending, _| {
            let (accepted, read) = (accepted.clone(), read.clone());
            async move {
                accepted.set(accepted.get() + 1);
                serve(step, &mut receiving, &mut sending, &read).await;
                if end == End::Dies {
                    return sending.writer.abort();
                }
                sending.sleep(Duration::from_secs(100)).await;
            }
        });
    }
    let request = if method == "GET" { get("/") } else { with_body(method, &BODY) };
    let (mut receiving, _sending) = ask(&stage, &request).await;
    let seen = match answer(&mut receiving).await {
        Ok((200, body)) if body.len() == 100 => Seen::Whole,
        Ok((status, _)) => Seen::Own(status),
        Err(Broken::End | Broken::Reset) => Seen::Cut,
        Err(other) => panic!("{other:?}"),
    };
    let timeout = Phase::ALL.into_iter().find(|phase| stage.timeouts(*phase) > 0);
    Account {
        seen,
        accepted: accepted.get(),
        read: read.get(),
        retries: stage.counters.retries.value(),
        timeout,
        timeouts: Phase::ALL.iter().map(|phase| stage.timeouts(*phase)).sum(),
        aborted_after_head: stage.counters.aborted_after_head.value(),
    }
}

fn expected(step: Step, end: End, method: &str) -> Account {
    let none = Account {
        seen: Seen::Whole,
        accepted: 1,
        read: 1,
        retries: 0,
        timeout: None,
        timeouts: 0,
        aborted_after_head: 0,
    };
    // As many attempts as there are, and the retries among them.
    let tries = |seen: Seen, tries: u64| Account { seen, accepted: tries, retries: tries - 1, ..none };
    let attempts = if method == "POST" { 1 } else { 3 };
    match (step, end) {
        (Step::BeforeAccept, End::Dies) => Account { accepted: 0, read: 0, ..tries(Seen::Own(502), 3) },
        (Step::BeforeAccept, End::FallsSilent) => Account {
            accepted: 0,
            read: 0,
            timeout: Some(Phase::Connect),
            timeouts: 3,
            ..tries(Seen::Own(504), 3)
        },
        (Step::AfterConnect | Step::MidRequestHead, End::Dies) => {
            Account { read: 0, ..tries(Seen::Own(502), attempts) }
        }
        (Step::AfterRequest | Step::MidResponseHead, End::Dies) => {
            Account { read: attempts, ..tries(Seen::Own(502), attempts) }
        }
        (Step::AfterConnect | Step::MidRequestHead, End::FallsSilent) => {
            Account { seen: Seen::Own(504), read: 0, timeout: Some(Phase::FirstByte), timeouts: 1, ..none }
        }
        (Step::AfterRequest | Step::MidResponseHead, End::FallsSilent) => {
            Account { seen: Seen::Own(504), timeout: Some(Phase::FirstByte), timeouts: 1, ..none }
        }
        (Step::AfterResponseHead | Step::MidBody, End::Dies) => {
            Account { seen: Seen::Cut, aborted_after_head: 1, ..none }
        }
        (Step::AfterResponseHead | Step::MidBody, End::FallsSilent) => Account {
            seen: Seen::Cut,
            timeout: Some(Phase::BetweenBytes),
            timeouts: 1,
            aborted_after_head: 1,
            ..none
        },
        (Step::AtTheEnd, _) => none,
    }
}

/// Every step, end and method.
fn cases() -> impl Iterator<Item = (Step, End, &'static str)> {
    use Step::*;
    let steps = [
        BeforeAccept,
        AfterConnect,
        MidRequestHead,
        AfterRequest,
        MidResponseHead,
        AfterResponseHead,
        MidBody,
        AtTheEnd,
    ];
    steps.into_iter().flat_map(|step| {
        [End::Dies, End::FallsSilent]
            .into_iter()
            .flat_map(move |end| ["GET", "PUT", "POST"].into_iter().map(move |method| (step, end, method)))
    })
}

#[test]
fn a_replica_that_fails_at_any_step_is_answered_for_and_counted() {
    for (step, end, method) in cases() {
        play(web(REPLICAS), move |stage| async move {
            let account = account(stage, step, end, method).await;
            assert_eq!(account, expected(step, end, method), "{method}, a replica {end:?} {step:?}");
        });
    }
}

#[test]
fn one_replica_that_fails_is_hidden_by_the_next_where_a_retry_is_safe() {
    let dies = |(step, end, _): &(Step, End, _)| *step < Step::AfterResponseHead && *end == End::Dies;
    for (step, _, method) in cases().filter(dies) {
        play(web(2), move |stage| async move {
            let failing = Rc::new(Cell::new(true));
            for number in 0..2 {
                let failing = failing.clone();
                backend(&stage.engine, backend_address(number), move |mut receiving, mut sending, _| {
                    let fails = failing.replace(false) && step > Step::BeforeAccept;
                    async move {
                        let step = if fails { step } else { Step::AtTheEnd };
                        serve(step, &mut receiving, &mut sending, &Cell::new(0)).await;
                        sending.writer.abort();
                    }
                });
            }
            if step == Step::BeforeAccept {
                let service = &stage.snapshot().services[0];
                let first = service.candidates(KeyHash::of(b"/")).next().expect("two replicas").address;
                stage.network.refuse(first.expect("it serves"));
            }
            let request = if method == "GET" { get("/") } else { with_body(method, &BODY) };
            let (mut receiving, _sending) = ask(&stage, &request).await;
            let status = answer(&mut receiving).await.expect("an answer").0;
            let safe = method != "POST" || step == Step::BeforeAccept;
            assert_eq!(status, if safe { 200 } else { 502 }, "{method}, a replica that dies {step:?}");
            assert_eq!(stage.counters.retries.value(), u64::from(safe), "{method}, {step:?}");
        });
    }
}

#[test]
fn a_service_without_a_live_replica_answers_503_and_counts_no_attempt_that_was_not_made() {
    play(web(1), |stage| async move {
        for (ask_number, status) in [(1, 503), (2, 503)] {
            let (mut receiving, _sending) = ask(&stage, &get("/")).await;
            let head = receiving.answer().await.expect("an answer");
            assert_eq!((head.status, head.field("Retry-After")), (status, Some("1")), "request {ask_number}");
        }
        assert_eq!(stage.counters.upstream_connects.value(), 1, "its health bit is cleared by the first");
        assert_eq!(stage.counters.retries.value(), 0);
    });
}

#[test]
fn every_answer_is_late_only_as_long_as_its_time_out() {
    // Waits add up to what the configuration says.
    let table = [(Step::BeforeAccept, 3 * 2_000), (Step::AfterRequest, 5_000), (Step::MidBody, 3_000)];
    for (step, millis) in table {
        play(web(REPLICAS), move |stage| async move {
            let began = stage.engine.handle().now();
            let engine = stage.engine.clone();
            account(stage, step, End::FallsSilent, "GET").await;
            let took = engine.handle().now().since(began);
            let least = Duration::from_millis(millis);
            let most = least + lateness_max(least) + Duration::from_millis(20);
            assert!(took >= least && took < most, "{step:?}: {took:?}");
        });
    }
}
