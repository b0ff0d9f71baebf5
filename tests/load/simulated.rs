//! The client on the simulated engine: a whole run, whose every request the server's ledger knows.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringway::base::mailbox::Mailbox;
use ringway::base::time::Moment;
use ringway::engine::Engine;
use ringway::engine::simulated::{Faults, Random, Simulated};
use ringway::engine::thread_time::ThreadTime;
use ringway::load::client::{self, Order, Surroundings, Told};
use ringway::load::failure::FailureKind;
use ringway::load::plan::{Arrivals, End, Pace, Plan};
use ringway::load::record::Record;
use ringway::load::requests::{Distribution, KEYS_MAX, Keys, MethodToken, RequestSpec, Requests, Template};

use crate::server::{Ledger, Manners, Server};

/// What a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) plan: Plan,
    manners: Manners,
    faults: Faults,
    /// The server dies after so long, and comes back after so long again.
    outage: Option<(Duration, Duration)>,
    /// When the operator ends the run, counted from the moment at which its threads are started.
    interrupted_after: Option<Duration>,
}

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Calm,
    RudeServer,
    BadNetwork,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) record: Record,
    pub(crate) ledger: Ledger,
    /// When the run began, if it did.
    pub(crate) began: Option<Moment>,
    /// How long it took altogether.
    pub(crate) took: Duration,
}

impl Case {
    pub(crate) fn of(seed: u64) -> Case {
        let mut random = Random::new(seed ^ 0x10AD);
        let kind = [Kind::Calm, Kind::RudeServer, Kind::BadNetwork][random.below(3) as usize];
        let is_calm = kind == Kind::Calm;
        let manners = Manners {
            late_max: Duration::from_micros(random.up_to(20_000)),
            refuses: if random.chance(0.5) { 0.2 } else { 0.0 },
            misbehaves: if is_calm { 0.0 } else { 0.1 },
            closes: if is_calm { 0.0 } else { 0.1 },
        };
        Case {
            seed,
            kind,
            plan: plan(&mut random),
            manners,
            faults: if kind == Kind::BadNetwork { faults() } else { Faults::default() },
            outage: (!is_calm && random.chance(0.3))
                .then(|| (millis(&mut random, 800), millis(&mut random, 500))),
            interrupted_after: random.chance(0.4).then(|| millis(&mut random, 1_500)),
        }
    }
}

fn millis(random: &mut Random, most: u64) -> Duration {
    Duration::from_micros(random.below(most * 1_000))
}

fn plan(random: &mut Random) -> Plan {
    let threads = random.up_to(3);
    let keep_alive = random.chance(0.8);
    let arrivals = if random.chance(0.5) { Arrivals::Even } else { Arrivals::Poisson };
    let per_second = random.up_to(3_000) as f64;
    let is_closed = random.chance(0.4);
    let is_counted = random.chance(0.5);
    Plan {
        address: SocketAddr::from(([10, 0, 0, 1], 80)),
        requests: requests(random, keep_alive),
        threads: NonZeroUsize::new(threads as usize).unwrap(),
        connections: NonZeroU32::new((threads + random.below(20)) as u32).unwrap(),
        pace: if is_closed { Pace::Closed } else { Pace::Open { per_second, arrivals } },
        end: if is_counted {
            End::Requests(random.up_to(if is_closed { 500 } else { per_second as u64 }))
        } else {
            End::After(Duration::from_millis(random.up_to(1_000)))
        },
        warm_up: if random.chance(0.5) { millis(random, 300) } else { Duration::ZERO },
        timeout: Duration::from_millis(random.up_to(400)),
        keep_alive,
        seed: random.next(),
        replica_field: "X-Replica".into(),
    }
}

fn requests(random: &mut Random, keep_alive: bool) -> Requests {
    let body = if random.chance(0.2) { vec![b'b'; random.below(100_000) as usize] } else { Vec::new() };
    Requests::new(RequestSpec {
        target: "http://10.0.0.1:80/{key}".parse().unwrap(),
        method: MethodToken::post(),
        fields: Vec::new(),
        body: Template::verbatim(body),
        keys: Keys {
            count: NonZeroU64::new(KEYS_MAX).unwrap(),
            first: 0,
            distribution: Distribution::Sequential,
        },
        seed: 1,
        paths: None,
        writes: None,
        keep_alive,
    })
    .unwrap()
}

fn faults() -> Faults {
    Faults {
        delay: 0.05,
        short_read: 0.1,
        short_write: 0.1,
        reset: 0.01,
        cut: 0.01,
        connect_delay: 0.1,
        connect_refused: 0.05,
        connect_silent: 0.02,
        slow: 0.02,
        ..Faults::default()
    }
}

/// Plays a case to its end.
pub(crate) fn run(case: &Case) -> Outcome {
    let engine = Simulated::new(case.seed, case.faults.clone());
    let server = Rc::new(Server {
        engine: engine.clone(),
        address: case.plan.address,
        manners: case.manners,
        random: RefCell::new(Random::new(case.seed ^ 0x5E7)),
        ledger: RefCell::default(),
    });
    let (record, began, took) = engine.run(play(engine.clone(), case.clone(), server.clone()));
    Outcome { record, ledger: server.ledger.take(), began, took }
}

async fn play(engine: Simulated, case: Case, server: Rc<Server>) -> (Record, Option<Moment>, Duration) {
    server.start();
    if let Some((after, down_for)) = case.outage {
        let (engine, server) = (engine.clone(), server.clone());
        engine.clone().handle().spawn(async move {
            sleep(&engine, after).await;
            engine.network().kill(server.address);
            sleep(&engine, down_for).await;
            server.start();
        });
    }
    let threads = Threads::start(&engine, &case.plan);
    if let Some(after) = case.interrupted_after {
        let (engine, mailboxes) = (engine.clone(), threads.mailboxes.clone());
        engine.clone().handle().spawn(async move {
            sleep(&engine, after).await;
            mailboxes.iter().for_each(|mailbox| mailbox.send(Order::End));
        });
    }
    let started = engine.handle().now();
    while threads.records.borrow().len() < case.plan.threads.get() {
        sleep(&engine, Duration::from_millis(1)).await;
    }
    let mut whole = Record::default();
    threads.records.borrow_mut().drain(..).for_each(|record| whole.merge(record));
    (whole, threads.began.get(), engine.handle().now().since(started))
}

/// The threads of a run, as tasks of one engine.
struct Threads {
    mailboxes: Vec<Arc<Mailbox<Order>>>,
    records: Rc<RefCell<Vec<Record>>>,
    began: Rc<Cell<Option<Moment>>>,
}

impl Threads {
    fn start(engine: &Simulated, plan: &Plan) -> Threads {
        let mailboxes: Vec<Arc<Mailbox<Order>>> = (0..plan.threads.get()).map(|_| Arc::default()).collect();
        let threads = Threads { mailboxes, records: Rc::default(), began: Rc::default() };
        let ready = Rc::new(Cell::new(0));
        let plan = Arc::new(plan.clone());
        for (index, orders) in threads.mailboxes.iter().enumerate() {
            let tell = threads.teller(engine, &ready);
            let thread_time = Box::new(ThreadTime::default);
            let surroundings = Surroundings { orders: orders.clone(), tell, thread_time };
            let run = client::run(engine.clone(), plan.clone(), index, surroundings);
            let records = threads.records.clone();
            engine.handle().spawn(async move {
                let record = run.await;
                records.borrow_mut().push(record);
            });
        }
        threads
    }

    /// Begins once all are ready.
    fn teller(&self, engine: &Simulated, ready: &Rc<Cell<usize>>) -> Box<dyn FnMut(Told)> {
        let (engine, ready) = (engine.clone(), ready.clone());
        let (mailboxes, began) = (self.mailboxes.clone(), self.began.clone());
        Box::new(move |told| {
            if matches!(told, Told::Ready) {
                ready.set(ready.get() + 1);
                if ready.get() == mailboxes.len() {
                    began.set(Some(engine.handle().now()));
                    mailboxes.iter().for_each(|mailbox| mailbox.send(Order::Begin));
                }
            }
        })
    }
}

async fn sleep(engine: &Simulated, time: Duration) {
    let until = engine.handle().now() + time;
    engine.handle().timer().sleep_until(until).await;
}

/// What is wrong with an outcome, line by line.
pub(crate) fn faults_of(case: &Case, outcome: &Outcome) -> Vec<String> {
    let mut audit = Audit { case, outcome, faults: Vec::new() };
    audit.every_request_is_counted_once();
    audit.every_request_is_sent_once();
    audit.all_views_agree();
    audit.as_many_as_planned();
    audit.it_ends_in_time();
    audit.latencies_count_from_the_moment_that_was_due();
    audit.faults
}

struct Audit<'a> {
    case: &'a Case,
    outcome: &'a Outcome,
    faults: Vec<String>,
}

impl Audit<'_> {
    fn expect(&mut self, holds: bool, what: impl FnOnce(&Record) -> String) {
        if !holds {
            self.faults.push(what(&self.outcome.record));
        }
    }

    fn never_sent(&self) -> u64 {
        self.outcome.record.failures.get(&FailureKind::NeverSent).map_or(0, |failures| failures.count)
    }

    fn every_request_is_counted_once(&mut self) {
        let (record, never_sent) = (&self.outcome.record, self.never_sent());
        let ended = record.answered() + record.refused() + record.failed() + record.unfinished;
        self.expect(record.begun + never_sent == ended, |record| {
            format!("{} begun and {never_sent} never sent, but {ended} came to an end", record.begun)
        });
        self.expect(record.interrupted || record.unfinished == 0, |record| {
            format!("{} are unfinished though nobody interrupted", record.unfinished)
        });
    }

    fn every_request_is_sent_once(&mut self) {
        let (record, ledger) = (&self.outcome.record, &self.outcome.ledger);
        let twice: Vec<u64> =
            ledger.heads.iter().filter(|(_, times)| **times > 1).map(|(key, _)| *key).collect();
        self.expect(twice.is_empty(), |_| format!("{twice:?} came more than once"));
        let came = ledger.heads.len() as u64;
        let lost = record.failed() - self.never_sent() + record.unfinished;
        self.expect(came <= record.begun && record.begun <= came + lost, |record| {
            format!("{} were begun and {lost} lost, but the server saw {came}", record.begun)
        });
        for (status, counted) in [(200, record.answered()), (503, record.refused())] {
            let given = ledger.answers.values().filter(|answer| answer.1 == status).count() as u64;
            self.expect(counted <= given && given <= counted + lost, |_| {
                format!("of {given} answers of {status}, {counted} were counted and {lost} lost")
            });
        }
    }

    fn all_views_agree(&mut self) {
        let record = &self.outcome.record;
        let intervals = record.timeline.intervals();
        let sums: [u64; 3] = [
            intervals.iter().map(|interval| interval.answers).sum(),
            intervals.iter().map(|interval| interval.refusals).sum(),
            intervals.iter().map(|interval| interval.failures).sum(),
        ];
        let totals = [record.answered(), record.refused(), record.failed()];
        self.expect(sums == totals, |_| format!("the timeline holds {sums:?} of {totals:?}"));
        let is_open = matches!(self.case.plan.pace, Pace::Open { .. });
        let service = if is_open { record.answered() } else { 0 };
        let counts = [record.latency().count(), record.service.count()];
        self.expect(counts == [record.answered(), service], |record| {
            format!("{counts:?} latencies and service times of {} answers", record.answered())
        });
        let named: u64 = record.replicas().map(|(_, answers)| answers).sum();
        self.expect(named == record.answered() + record.refused(), |_| {
            format!("{named} answers by replicas")
        });
        if self.case.plan.warm_up.is_zero() {
            let early = self.outcome.ledger.warm_up;
            self.expect(early == 0, |_| format!("{early} requests of a warm-up that was not asked for"));
        }
    }

    /// A run that nobody interrupts sends what it should, or says that it did not.
    fn as_many_as_planned(&mut self) {
        let (record, plan) = (&self.outcome.record, &self.case.plan);
        if record.interrupted {
            return;
        }
        let all = record.begun + self.never_sent();
        match (plan.end, plan.pace) {
            (End::Requests(requests), _) => {
                self.expect(all == requests, |_| format!("{all} of {requests} are accounted for"));
            }
            (End::After(time), Pace::Open { per_second, arrivals: Arrivals::Even }) => {
                let at = |time: Duration| (time.as_secs_f64() * per_second).ceil() as u64;
                let due = at(plan.warm_up + time) - at(plan.warm_up);
                self.expect(all == due, |_| format!("{all} of {due} that were due are accounted for"));
                self.expect(record.elapsed == time, |record| format!("it measured {:?}", record.elapsed));
            }
            (End::After(time), _) => {
                self.expect(record.elapsed == time, |record| format!("it measured {:?}", record.elapsed));
            }
        }
    }

    fn it_ends_in_time(&mut self) {
        let (plan, took) = (&self.case.plan, self.outcome.took);
        let End::After(time) = plan.end else { return };
        // To connect twice as long as a time-out, then once more for what is overdue, its connection and its answer.
        let most = plan.timeout * 5 + plan.warm_up + time + Duration::from_millis(150);
        self.expect(took <= most, |_| format!("it took {took:?}, where {most:?} are the most"));
    }

    /// Where nothing is lost and moments are even, the server knows how late each answer was.
    fn latencies_count_from_the_moment_that_was_due(&mut self) {
        let (record, plan) = (&self.outcome.record, &self.case.plan);
        let Pace::Open { per_second, arrivals: Arrivals::Even } = plan.pace else { return };
        let Some(began) = self.outcome.began else { return };
        let lost = record.failed() - self.never_sent() + record.unfinished;
        if self.case.kind != Kind::Calm || lost > 0 || record.answered() == 0 {
            return;
        }
        let first = (plan.warm_up.as_secs_f64() * per_second).ceil();
        let threads = plan.threads.get() as u64;
        let late = self.outcome.ledger.answers.iter().filter(|(_, (_, status))| *status == 200).map(
            |(key, (at, _))| {
                // Of each thread the first that counts is the first that is due after the warm-up.
                let (thread, number) = (key % threads, key / threads);
                let uncounted = ((first - thread as f64) / threads as f64).ceil().max(0.0) as u64;
                let due = ((number + uncounted) * threads + thread) as f64 / per_second;
                at.since(began).as_secs_f64() - due
            },
        );
        let expected = late.sum::<f64>() / record.answered() as f64;
        let found = record.latency().mean().as_secs_f64();
        self.expect((found - expected).abs() < 0.001 + expected * 0.002, |_| {
            format!("the mean latency is {found:.6} s, where the server knows of {expected:.6} s")
        });
    }
}
