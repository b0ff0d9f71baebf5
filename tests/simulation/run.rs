//! One seed's run, from the first connection to the last socket.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::core_counters::Phase;
use ringway::base::time::Moment;
use ringway::engine::Engine;
use ringway::engine::simulated::Simulated;

use crate::backend::Backends;
use crate::chaos::Chaos;
use crate::client;
use crate::ledger::{Ledger, Outcome, Shared};
use crate::plan::{Plan, Profile};
use crate::saboteur::Saboteur;
use crate::stage::{Stage, backend_address, front};
use crate::wire::sleep;

/// The virtual time in which every run must have ended.
const RUN_MAX: Duration = Duration::from_secs(300);
/// How long the drain at the end may take: more than any exchange does.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// Tasks that are left at the end: the run's own, and the sweep of the pools.
const TASKS_LEFT: usize = 2;

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    /// The hash of every event, and when the run ended.
    pub(crate) digest: u64,
    pub(crate) ended: Moment,
    pub(crate) outcomes: Vec<(u64, Option<Outcome>)>,
    /// What happened on the proxy's side, and how often.
    pub(crate) reached: Reached,
}

/// Counts by name.
pub(crate) type Reached = BTreeMap<&'static str, u64>;

/// Runs a plan on an engine of its own.
pub(crate) fn run(plan: Plan) -> Report {
    let engine = Simulated::new(plan.seed, plan.faults.clone());
    let ledger: Shared = Rc::new(RefCell::new(Ledger::default()));
    let pool = engine.handle().buffers().clone();
    let (task, shared) = (play(engine.clone(), plan, ledger.clone()), ledger.clone());
    let (ended, reached) = engine.run(task);
    let mut ledger = shared.borrow_mut();
    if pool.outstanding() != 0 {
        let buffers = pool.outstanding();
        ledger.accuse(format!("{buffers} buffers are out at the end"));
    }
    ledger.audit();
    Report {
        violations: std::mem::take(&mut ledger.violations),
        digest: engine.network().digest(),
        ended,
        outcomes: ledger.requests.iter().map(|(token, sent)| (*token, sent.outcome)).collect(),
        reached,
    }
}

/// What a run must come across now and then, or it tests nothing.
fn reached(stage: &Stage) -> Reached {
    let counters = &stage.counters;
    let mut reached = Reached::from([
        ("retries", counters.retries.value()),
        ("retries refused", counters.retries_refused.value()),
        ("cuts after the head", counters.aborted_after_head.value()),
        ("client aborts", counters.client_aborts.value()),
        ("bad requests", counters.bad_requests.value()),
        ("upstream reuses", counters.upstream_reuses.value()),
        ("failed connects", counters.upstream_connect_failures.value()),
        ("accept failures", counters.accept_failures.value()),
        ("new generations", counters.generation.value() - 1),
    ]);
    let phases = Phase::ALL.into_iter().filter(|phase| *phase != Phase::Tunnel);
    reached.extend(phases.map(|phase| (phase.name(), stage.timeouts(phase))));
    reached
}

async fn play(engine: Simulated, plan: Plan, ledger: Shared) -> (Moment, Reached) {
    let backends = Backends::new(&engine, &ledger, plan.seed ^ 0xBAC, plan.manners);
    let (spec, door) = set_up_boxes(&engine, &plan);
    (0..plan.replicas).for_each(|number| backends.start(backend_address(number)));
    let stage = Rc::new(Stage::raise(&engine, spec, plan.client_limits()));
    let over = Rc::new(Cell::new(false));
    let chaos = Rc::new(Chaos {
        engine: engine.clone(),
        stage: stage.clone(),
        backends: backends.clone(),
        first: plan.service(),
        over: over.clone(),
    });
    engine.handle().spawn(chaos.clone().probe());
    if plan.has_chaos() && plan.plant.is_none() {
        engine.handle().spawn(chaos.rage(plan.seed ^ 0xC4A));
    }
    let left = start_clients(&engine, &plan, &ledger, door);
    if let Some(after) = plan.drain_after {
        sleep(&engine, after).await;
        stage.begin_drain(Duration::from_millis(plan.seed % 50), DRAIN_MAX);
    }
    let deadline = engine.handle().now() + RUN_MAX;
    while left.get() > 0 && engine.handle().now() < deadline {
        stage.sleep_ms(1).await;
    }
    over.set(true);
    if left.get() > 0 {
        ledger.borrow_mut().accuse(format!("{} clients are not done after {RUN_MAX:?}", left.get()));
    }
    stage.sleep_ms(400).await;
    if plan.drain_after.is_none() {
        stage.begin_drain(Duration::ZERO, DRAIN_MAX);
    }
    let drain = stage.ended().await;
    if drain.connections_cut != 0 {
        ledger.borrow_mut().accuse(format!("the drain cut {} connections", drain.connections_cut));
    }
    end(&engine, &plan, &stage, &backends, &ledger).await;
    (engine.handle().now(), reached(&stage))
}

/// Where a planted fault stands, and so what the proxy and the clients connect to.
fn set_up_boxes(engine: &Simulated, plan: &Plan) -> (ringway::placement::ServiceSpec, SocketAddr) {
    let mut spec = plan.service();
    let Some(plant) = plan.plant else { return (spec, front()) };
    let done = Rc::new(Cell::new(false));
    let box_address = |number: usize| SocketAddr::from(([10, 0, 2, number as u8], 80));
    if plant.is_in_front() {
        Saboteur::start(engine, plant, &done, box_address(0), front());
        return (spec, box_address(0));
    }
    for (number, replica) in spec.replicas.iter_mut().enumerate() {
        Saboteur::start(engine, plant, &done, box_address(number), replica.address.expect("it serves"));
        replica.address = Some(box_address(number));
    }
    (spec, front())
}

/// Starts all clients and returns the count of those that are not done.
fn start_clients(engine: &Simulated, plan: &Plan, ledger: &Shared, door: SocketAddr) -> Rc<Cell<usize>> {
    let left = Rc::new(Cell::new(plan.scripts.len()));
    for (begins, script) in plan.scripts.clone() {
        let (task_engine, ledger, left) = (engine.clone(), ledger.clone(), left.clone());
        engine.handle().spawn(async move {
            sleep(&task_engine, begins).await;
            client::play(task_engine, door, script, ledger).await;
            left.set(left.get() - 1);
        });
    }
    left
}

/// Ends the backends and looks at what is left.
async fn end(engine: &Simulated, plan: &Plan, stage: &Stage, backends: &Backends, ledger: &Shared) {
    let network = engine.network();
    backends.kill_all();
    if plan.plant.is_none() {
        sleep(engine, Duration::from_secs(8)).await;
    } else {
        (0..8).for_each(|number| network.kill(SocketAddr::from(([10, 0, 2, number], 80))));
        sleep(engine, client::PATIENCE * 3).await;
    }
    let mut ledger = ledger.borrow_mut();
    if network.open_sockets() != 0 {
        ledger.accuse(format!("{} sockets are open at the end", network.open_sockets()));
    }
    if engine.handle().tasks() > TASKS_LEFT {
        ledger.accuse(format!("{} tasks are left at the end", engine.handle().tasks()));
    }
    check_counters(plan, stage, &mut ledger);
}

fn check_counters(plan: &Plan, stage: &Stage, ledger: &mut Ledger) {
    let counters = &stage.counters;
    for (name, gauge) in [
        ("connections", &counters.connections_open),
        ("exchanges", &counters.exchanges_open),
        ("upstream connections", &counters.upstream_open),
    ] {
        if gauge.value() != 0 {
            ledger.accuse(format!("{} {name} are counted as open at the end", gauge.value()));
        }
    }
    check_replica_counts(stage, ledger);
    let answers: u64 = counters.answers.iter().map(|class| class.value()).sum();
    let (requests, aborts) = (counters.requests.value(), counters.client_aborts.value());
    if requests < answers || requests > answers + aborts {
        ledger.accuse(format!("{requests} requests, but {answers} answers and {aborts} client aborts"));
    }
    if plan.plant.is_none() {
        check_exact_counts(plan, stage, ledger);
    }
}

/// Every attempt on a replica is over, and had an answer, a failure, or a client that failed.
fn check_replica_counts(stage: &Stage, ledger: &mut Ledger) {
    let in_flight = stage.counted.sum(|counts| &counts.in_flight);
    if in_flight != 0 {
        ledger.accuse(format!("{in_flight} attempts are counted as in flight at the end"));
    }
    let attempts = stage.counted.sum(|counts| &counts.attempts);
    let told = stage.counted.sum(|counts| &counts.answers) + stage.counted.sum(|counts| &counts.failures);
    let of_clients = stage.counters.client_aborts.value() + stage.counters.bad_requests.value();
    if attempts < told || attempts > told + of_clients {
        ledger
            .accuse(format!("{attempts} attempts, but {told} answers and failures, {of_clients} by clients"));
    }
}

/// Where only backends misbehave, the clients' counts and the proxy's are the same.
fn check_exact_counts(plan: &Plan, stage: &Stage, ledger: &mut Ledger) {
    let exact = matches!(plan.profile, Profile::Calm | Profile::RudeBackends);
    if !exact {
        return;
    }
    // A reset may take the beginning of an answer with it that was cut: then its client saw nothing of it.
    let lost = ledger.count(|outcome| outcome == Outcome::Unanswered);
    let cut = ledger.count(|outcome| matches!(outcome, Outcome::Cut { .. }));
    let aborted = stage.counters.aborted_after_head.value();
    if aborted < cut || aborted > cut + lost {
        ledger.accuse(format!("clients saw {cut} cut answers and lost {lost}, the proxy counted {aborted}"));
    }
    for class in 1..=5u16 {
        let seen = ledger.count(|outcome| status_of(outcome).is_some_and(|status| status / 100 == class));
        let counted = stage.counters.answers[usize::from(class) - 1].value();
        if counted < seen || counted > seen + lost {
            ledger.accuse(format!(
                "clients saw {seen} answers {class}xx and lost {lost}, the proxy counted {counted}"
            ));
        }
    }
    let total = ledger.requests.len() as u64;
    let answered = ledger.count(|outcome| matches!(outcome, Outcome::Answered { .. }));
    if plan.profile == Profile::Calm && answered != total {
        ledger.accuse(format!("nothing went wrong, but of {total} requests {answered} were answered"));
    }
}

fn status_of(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered { status } | Outcome::Own { status } | Outcome::Cut { status } => Some(status),
        Outcome::Unanswered | Outcome::Abandoned => None,
    }
}
