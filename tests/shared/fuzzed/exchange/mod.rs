//! Whole exchanges: clients and backends whose every byte is the input's, and between them the data plane that serves in
//! production, in virtual time.
//!
//! Whatever they do, it ends within [`RUN_MAX`] without a panic, and then no task, socket, buffer or attempt is left. What
//! backends and clients got is judged by [`judge`].

mod judge;
mod peer;
mod script;
#[path = "../../../simulation/stage.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod stage;
#[path = "../../../simulation/wire.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod wire;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ringway::base::algorithm::{Algorithm, ModuloRule};
use ringway::base::key_source::KeySource;
use ringway::base::policy::{BodyRate, ClientLimits, PoolLimits, RetryPolicy, Timeouts};
use ringway::engine::simulated::{Faults, Simulated};
use ringway::engine::{Engine, accept};
use ringway::placement::ServiceSpec;

use super::input;
use peer::{Record, Role};
use script::Script;
use stage::{Stage, backend_address, front, service};

/// The virtual time in which all connections must have ended: some have a dozen requests, each of which may be tried three
/// times and stall.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Between the beginnings of two clients' connections.
const CLIENT_INTERVAL: Duration = Duration::from_millis(3);
/// More than any exchange takes.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// More than pooled connections are kept and backends wait.
const AFTERMATH: Duration = Duration::from_secs(20);
/// Tasks that are left at the end: the run's own, and the sweep of the pools.
const TASKS_LEFT: usize = 2;
/// How long each of the proxy's waits is.
const WAIT: Duration = Duration::from_millis(1_000);

/// What all connections of one side came to.
type Records = Rc<RefCell<Vec<Rc<RefCell<Record>>>>>;

/// The input's last three bytes choose service, limits and network; the rest is a [`script`].
pub(crate) fn check(data: &[u8]) {
    let (text, [service, limits, network]) = input::split::<3>(data);
    let (clients, backends) = script::parse(text);
    let engine = Simulated::new(u64::from(network), faults(network));
    let pool = engine.handle().buffers().clone();
    let sides = engine.run(play(engine.clone(), clients, backends, spec(service), client_limits(limits)));
    assert_eq!(pool.outstanding(), 0, "buffers are out at the end");
    let [clients, backends] = sides.map(|records| records.take());
    judge::judge(&clients, &backends);
}

async fn play(
    engine: Simulated,
    clients: Vec<Script>,
    backends: Vec<Script>,
    spec: ServiceSpec,
    limits: ClientLimits,
) -> [Records; 2] {
    let stage = Stage::raise(&engine, spec, limits);
    let (of_clients, of_backends) = (Records::default(), Records::default());
    if !backends.is_empty() {
        listen(&engine, Rc::new(backends), &of_backends);
    }
    let clients = (0..).zip(clients).map(|(number, script)| {
        let client = start_client(engine.clone(), CLIENT_INTERVAL * number, script, note(&of_clients));
        Box::pin(client)
    });
    let mut clients: Vec<_> = clients.collect();
    let mut timer = engine.handle().timer();
    let deadline = engine.handle().now() + RUN_MAX;
    poll_fn(|context| {
        clients.retain_mut(|client| client.as_mut().poll(context).is_pending());
        if clients.is_empty() {
            return Poll::Ready(());
        }
        assert!(timer.poll_expired(deadline, context).is_pending(), "{} clients are not done", clients.len());
        Poll::Pending
    })
    .await;
    end(&engine, &stage).await;
    [of_clients, of_backends]
}

async fn start_client(engine: Simulated, after: Duration, script: Script, record: Rc<RefCell<Record>>) {
    wire::sleep(&engine, after).await;
    if let Ok(connection) = engine.connect(front()).await {
        peer::play(engine, connection, Role::Client, script, record).await;
    }
}

/// Backends at both addresses, whose connections take the scripts in order.
fn listen(engine: &Simulated, scripts: Rc<Vec<Script>>, records: &Records) {
    for number in 0..2 {
        let mut listener = engine.listen(backend_address(number)).expect("the address is free");
        let (engine, scripts, records) = (engine.clone(), scripts.clone(), records.clone());
        engine.clone().handle().spawn(async move {
            while let Ok(Some(accepted)) = accept(&mut listener).await {
                let script = scripts[records.borrow().len().min(scripts.len() - 1)].clone();
                let record = note(&records);
                let play = peer::play(engine.clone(), accepted.connection, Role::Backend, script, record);
                engine.handle().spawn(play);
            }
        });
    }
}

fn note(records: &Records) -> Rc<RefCell<Record>> {
    let record: Rc<RefCell<Record>> = Rc::default();
    records.borrow_mut().push(record.clone());
    record
}

/// Ends the core and the backends, and looks at what is left.
async fn end(engine: &Simulated, stage: &Stage) {
    // Of an exchange whose client is gone, the replica's part may still be under way for as long as it waits.
    wire::sleep(engine, peer::STALL * 3).await;
    stage.begin_drain(Duration::ZERO, DRAIN_MAX);
    let drain = stage.ended().await;
    assert_eq!(drain.connections_cut, 0, "connections were cut by the drain");
    wire::sleep(engine, AFTERMATH).await;
    (0..2).for_each(|number| engine.network().kill(backend_address(number)));
    stage.sleep_ms(10).await;
    assert_eq!(engine.network().open_sockets(), 0, "sockets are open at the end");
    assert!(engine.handle().tasks() <= TASKS_LEFT, "{} tasks are left", engine.handle().tasks());
    let counters = &stage.counters;
    assert_eq!(stage.counted.sum(|counts| &counts.in_flight), 0, "attempts are counted as in flight");
    for (name, gauge) in [
        ("connections", &counters.connections_open),
        ("exchanges", &counters.exchanges_open),
        ("upstream connections", &counters.upstream_open),
    ] {
        assert_eq!(gauge.value(), 0, "{name} are counted as open");
    }
}

fn spec(choice: u8) -> ServiceSpec {
    let pool = PoolLimits::default();
    let keys = ["path", "json:id", "header:Host", "uri"];
    let key: KeySource = keys[usize::from(choice >> 2) % 4].parse().expect("a key");
    ServiceSpec {
        // The map that costs nothing to build, since each input builds one.
        algorithm: Algorithm::Modulo(ModuloRule::default()),
        keys: [key].into(),
        timeouts: Timeouts {
            connect: WAIT,
            first_byte: WAIT,
            between_bytes: WAIT,
            queue: WAIT,
            tunnel: WAIT,
        },
        pool: PoolLimits {
            connections_max: if choice & 16 > 0 { NonZeroUsize::MIN } else { pool.connections_max },
            idle_max: if choice & 32 > 0 { 0 } else { 1 },
            ..pool
        },
        retries: RetryPolicy { retries_max: u32::from(choice & 3).min(2), ..RetryPolicy::default() },
        ..service(1 + usize::from(choice >> 7))
    }
}

fn client_limits(choice: u8) -> ClientLimits {
    ClientLimits {
        header: WAIT,
        keep_alive: WAIT,
        body: WAIT,
        body_rate: BodyRate { bytes_per_second_min: u64::from(choice & 1) * 8, window: WAIT },
        write: WAIT,
        head_bytes_max: if choice & 2 > 0 { 256 } else { 8 * 1024 },
        connections_max: None,
        connections_per_address: None,
    }
}

/// Nothing is lost in this network, so that every loss is the proxy's; but bytes may come in other pieces than they were
/// sent in, and slowly.
fn faults(choice: u8) -> Faults {
    let default = Faults::default();
    let chance = |bit: u8| if choice & bit > 0 { 0.5 } else { 0.0 };
    Faults {
        short_read: chance(1),
        short_write: chance(2),
        delay: chance(4),
        delay_max: Duration::from_millis(1),
        slow: chance(8),
        capacity_bytes: if choice & 16 > 0 { 2 * 1024 } else { default.capacity_bytes },
        ..default
    }
}
