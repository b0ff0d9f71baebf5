//! What directed scenarios are made of: scripted backends, and clients that send bytes.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringway::base::core_counters::CoreCounters;
use ringway::base::policy::{ClientLimits, PoolLimits, RetryPolicy, Timeouts};
use ringway::engine::simulated::{Faults, Simulated};
use ringway::engine::{Engine, accept};
use ringway::placement::ServiceSpec;

use crate::stage::{Stage, front, service};
use crate::wire::{self, Receiving, Sending};

/// How long scripted peers wait.
const PATIENCE: Duration = Duration::from_secs(600);

/// A service of `count` replicas whose time-outs differ, so that each is known by how long it takes.
pub(crate) fn web(count: usize) -> ServiceSpec {
    ServiceSpec {
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(5),
            between_bytes: Duration::from_secs(3),
            queue: Duration::from_secs(1),
            tunnel: Duration::from_secs(20),
        },
        pool: PoolLimits::default(),
        retries: RetryPolicy::default(),
        ..service(count)
    }
}

/// Plays a scenario on a network without faults, for a core with default limits for clients.
pub(crate) fn play<F: Future<Output = ()> + 'static>(
    spec: ServiceSpec,
    scenario: impl FnOnce(Rc<Stage>) -> F + 'static,
) {
    play_with(spec, Faults::default(), ClientLimits::default(), scenario);
}

/// As [`play`], with faults and limits for clients.
pub(crate) fn play_with<F: Future<Output = ()> + 'static>(
    spec: ServiceSpec,
    faults: Faults,
    limits: ClientLimits,
    scenario: impl FnOnce(Rc<Stage>) -> F + 'static,
) {
    let engine = Simulated::new(1, faults);
    let stage = Rc::new(Stage::raise(&engine, spec, limits));
    run(&engine, stage, scenario);
}

/// As [`play`], with a seed; returns what was counted.
pub(crate) fn play_seed<F: Future<Output = ()> + 'static>(
    seed: u64,
    spec: ServiceSpec,
    scenario: impl FnOnce(Rc<Stage>) -> F + 'static,
) -> Arc<CoreCounters> {
    let engine = Simulated::new(seed, Faults::default());
    let stage = Rc::new(Stage::raise(&engine, spec, ClientLimits::default()));
    let counters = stage.counters.clone();
    run(&engine, stage, scenario);
    counters
}

/// However a scenario ends, and though every task that is left is dropped then, nothing stays counted as in flight.
fn run<F: Future<Output = ()> + 'static>(
    engine: &Simulated,
    stage: Rc<Stage>,
    scenario: impl FnOnce(Rc<Stage>) -> F + 'static,
) {
    let counted = stage.counted.clone();
    engine.run(scenario(stage));
    assert_eq!(counted.sum(|counts| &counts.in_flight), 0, "attempts counted as in flight at the end");
}

/// A backend each of whose connections is served by `serve`.
pub(crate) fn backend<F: Future<Output = ()> + 'static>(
    engine: &Simulated,
    address: SocketAddr,
    serve: impl Fn(Receiving, Sending, SocketAddr) -> F + 'static,
) {
    let mut listener = engine.listen(address).expect("the address is free");
    let engine = engine.clone();
    engine.handle().clone().spawn(async move {
        while let Ok(Some(accepted)) = accept(&mut listener).await {
            let (receiving, sending) = wire::halves(&engine, accepted.connection, PATIENCE);
            engine.handle().spawn(serve(receiving, sending, accepted.peer));
        }
    });
}

/// A client's connection on which `bytes` were sent.
pub(crate) async fn ask(stage: &Stage, bytes: &[u8]) -> (Receiving, Sending) {
    let connection = stage.engine.connect(front()).await.expect("the proxy accepts");
    let (receiving, mut sending) = wire::halves(&stage.engine, connection, PATIENCE);
    sending.send(bytes).await.expect("the proxy takes it");
    (receiving, sending)
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: sim\r\n\r\n").into_bytes()
}

/// A request with a body.
pub(crate) fn with_body(method: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{method} / HTTP/1.1\r\nHost: sim\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// An answer with a body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The status and the body of the next answer, if they come whole.
pub(crate) async fn answer(receiving: &mut Receiving) -> Result<(u16, String), wire::Broken> {
    let head = receiving.answer().await?;
    let mut body = Vec::new();
    receiving.body(head.answer_framing("GET"), &mut body).await?;
    Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
}

/// How much later than its wait a deadline may be kept, by `Timer::poll_expired`.
pub(crate) fn lateness_max(wait: Duration) -> Duration {
    wait / 64
}
