//! The simulated network itself: each fault does what it says, and under all of them, seed after seed, nothing is
//! invented, reordered or left behind.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use ringway::base::time::Moment;
use ringway::engine::simulated::{Faults, Network, Random, Simulated, SimulatedListener};
use ringway::engine::{self, Accepted, Engine, IoError, Listener, Writer, accept, connect};
use tokio::sync::mpsc;

use crate::bench::{is_broken, loopback};
use crate::peer::{Peer, assert_same, pattern, read_to_end, send};

const SEEDS: u64 = 200;
const CLIENTS: u64 = 8;

fn everything_that_loses_nothing(random: &mut Random) -> Faults {
    Faults {
        capacity_bytes: random.up_to(20_000) as usize,
        backlog_max: random.up_to(10) as usize,
        delay: 0.2,
        short_read: 0.3,
        short_write: 0.1,
        connect_delay: 0.5,
        accept_exhausted: 0.2,
        slow: 0.1,
        ..Faults::default()
    }
}

fn everything(random: &mut Random) -> Faults {
    Faults {
        reset: 0.01,
        cut: 0.01,
        connect_refused: 0.1,
        connect_silent: 0.1,
        ..everything_that_loses_nothing(random)
    }
}

/// What a client has seen: what it sent, what came back, and whether that ended as a stream should.
type Exchange = (Vec<u8>, Vec<u8>, Result<(), IoError>);

/// What a seed did.
struct Run {
    digest: u64,
    end: Moment,
    trace: String,
    exchanges: Vec<Exchange>,
    disturbances: usize,
}

/// Echo traffic of [`CLIENTS`] clients under `faults`; a hand that disturbs the network too, if there is one.
fn traffic(seed: u64, faults: Faults, disturbed: bool) -> Run {
    let simulated = Simulated::new(seed, faults);
    let network = simulated.network();
    network.keep_trace(4000);
    let exchanges: Rc<RefCell<Vec<Exchange>>> = Rc::default();
    let (engine, seen) = (simulated.clone(), exchanges.clone());
    let (end, disturbances) = simulated.run(async move {
        let handle = engine.handle().clone();
        let listener = engine.listen(loopback()).unwrap();
        let address = listener.local_address();
        handle.spawn(serve(engine.clone(), listener));
        let (done, mut ended) = mpsc::unbounded_channel();
        for client in 0..CLIENTS {
            let random = Random::new(seed << 8 | client);
            let (engine, done, seen) = (engine.clone(), done.clone(), seen.clone());
            handle.spawn(async move {
                let exchange = exchange(engine, address, random).await;
                seen.borrow_mut().extend(exchange);
                done.send(()).unwrap();
            });
        }
        let disturbances = if disturbed { disturb(&engine, address, Random::new(!seed)).await } else { 0 };
        for _ in 0..CLIENTS {
            ended.recv().await.unwrap();
        }
        // The server's tasks end by themselves: left are this one and the one that accepts.
        let end = handle.now() + Duration::from_secs(3600);
        while handle.tasks() > 2 {
            assert!(handle.now() < end, "seed {seed} does not end:\n{}", engine.network().trace());
            handle.timer().sleep_until(handle.now() + Duration::from_secs(1)).await;
        }
        (handle.now(), disturbances)
    });
    assert_eq!(network.open_sockets(), 0, "seed {seed} leaves sockets:\n{}", network.trace());
    assert_eq!(simulated.handle().buffers().outstanding(), 0, "seed {seed} leaves buffers");
    let exchanges = exchanges.take();
    Run { digest: network.digest(), end, trace: network.trace(), exchanges, disturbances }
}

/// Accepts and echoes; listens again when it was killed.
async fn serve(engine: Simulated, mut listener: SimulatedListener) {
    let mut timer = engine.handle().timer();
    loop {
        match accept(&mut listener).await {
            Ok(Some(Accepted { connection, .. })) => {
                let peer = Peer::new(&engine, connection);
                engine.handle().spawn(async move {
                    let _ = peer.echo().await;
                });
            }
            Ok(None) => listener = engine.listen(listener.local_address()).unwrap(),
            Err(error) => {
                assert_eq!(error, IoError::Exhausted);
                timer.sleep_until(engine.handle().now() + Duration::from_millis(1)).await;
            }
        }
    }
}

/// One client's exchange, if it got a connection.
async fn exchange(engine: Simulated, address: SocketAddr, mut random: Random) -> Option<Exchange> {
    let mut timer = engine.handle().timer();
    timer.sleep_until(engine.handle().now() + Duration::from_micros(random.below(20_000))).await;
    let deadline = engine.handle().now() + Duration::from_secs(10);
    let mut peer = match connect(&engine, address, &mut timer, deadline).await {
        Ok(connection) => Peer::new(&engine, connection),
        Err(error) => {
            assert!(matches!(error, IoError::TimedOut | IoError::Refused), "{error:?}");
            return None;
        }
    };
    let sent = pattern(random.below(30_000) as usize);
    let mut received = Vec::new();
    let sending = async {
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.up_to(rest.len() as u64) as usize);
            rest = after;
            if let Err(error) = send(&mut peer.writer, piece).await {
                assert!(is_broken(error), "{error:?}");
                return;
            }
        }
        peer.writer.shutdown();
    };
    let reading = async {
        loop {
            let deadline = engine.handle().now() + Duration::from_micros(700);
            match engine::read(&mut peer.reader, &mut timer, deadline).await {
                Ok(Some(lent)) => received.extend_from_slice(&lent),
                Ok(None) => break Ok(()),
                Err(IoError::TimedOut) => {}
                Err(error) => break Err(error),
            }
        }
    };
    let ((), ended) = tokio::join!(sending, reading);
    Some((sent, received, ended))
}

/// Pauses, partitions, refuses and kills by turns, and makes good what it can.
async fn disturb(engine: &Simulated, address: SocketAddr, mut random: Random) -> usize {
    let network = engine.network();
    let mut timer = engine.handle().timer();
    let count = random.below(6) as usize;
    for _ in 0..count {
        let undo: fn(&Network, SocketAddr) = match random.below(4) {
            0 => {
                network.pause(address);
                Network::resume
            }
            1 => {
                network.partition(address);
                Network::heal
            }
            2 => {
                network.silence(address);
                Network::admit
            }
            _ => {
                network.kill(address);
                |_, _| ()
            }
        };
        timer.sleep_until(engine.handle().now() + Duration::from_micros(random.below(8_000))).await;
        undo(&network, address);
        timer.sleep_until(engine.handle().now() + Duration::from_micros(random.below(4_000))).await;
    }
    count
}

#[test]
fn under_every_fault_what_arrives_is_a_prefix_of_what_was_sent_and_nothing_is_left() {
    let (mut exchanges, mut whole, mut broken, mut disturbances) = (0, 0, 0, 0);
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        let plan = || everything(&mut Random::new(seed));
        let run = traffic(seed, plan(), true);
        for (sent, received, ended) in &run.exchanges {
            assert!(sent.starts_with(received), "seed {seed}: {} of {} bytes", received.len(), sent.len());
            exchanges += 1;
            whole += usize::from(sent.len() == received.len());
            broken += usize::from(ended.is_err());
        }
        let again = traffic(seed, plan(), true);
        assert_eq!((run.digest, run.end), (again.digest, again.end), "seed {seed} does not repeat itself");
        assert_eq!(run.trace, again.trace);
        disturbances += run.disturbances;
        digests.insert(run.digest);
    }
    // The faults are frequent enough to matter and rare enough to let something through.
    assert_eq!(digests.len(), SEEDS as usize);
    let quarter = exchanges / 4;
    assert!(exchanges > 800 && whole > quarter && broken > quarter / 2, "{whole}, {broken} of {exchanges}");
    assert!(disturbances > 200);
}

#[test]
fn faults_that_lose_nothing_lose_nothing() {
    for seed in 0..SEEDS / 4 {
        let run = traffic(seed, everything_that_loses_nothing(&mut Random::new(seed)), false);
        assert_eq!(run.exchanges.len(), CLIENTS as usize, "seed {seed}");
        for (sent, received, ended) in &run.exchanges {
            assert_eq!(*ended, Ok(()), "seed {seed}");
            assert_same(received, sent);
        }
    }
}

type SimulatedPeer = Peer<Simulated>;

/// Runs `scene` on a connection under `faults`: network, address of the server, client, server.
fn on_a_connection<F: Future<Output = ()> + 'static>(
    faults: Faults,
    scene: fn(Simulated, SimulatedListener, SimulatedPeer, SimulatedPeer) -> F,
) {
    let simulated = Simulated::new(3, faults);
    let engine = simulated.clone();
    simulated.run(async move {
        let mut listener = engine.listen(loopback()).unwrap();
        let client = engine.connect(listener.local_address()).await.unwrap();
        let server = accept(&mut listener).await.unwrap().unwrap().connection;
        let (client, server) = (Peer::new(&engine, client), Peer::new(&engine, server));
        scene(engine, listener, client, server).await;
    });
    assert_eq!(simulated.network().open_sockets(), 0);
    assert_eq!(simulated.handle().buffers().outstanding(), 0);
}

#[test]
fn a_certain_fault_of_a_connect_or_accept_happens() {
    let cases: [(Faults, IoError); 3] = [
        (Faults { connect_refused: 1.0, ..Faults::default() }, IoError::Refused),
        (Faults { connect_silent: 1.0, ..Faults::default() }, IoError::TimedOut),
        (Faults { accept_exhausted: 1.0, ..Faults::default() }, IoError::Exhausted),
    ];
    for (faults, expected) in cases {
        let simulated = Simulated::new(1, faults);
        let engine = simulated.clone();
        let outcome = simulated.run(async move {
            let mut listener = engine.listen(loopback()).unwrap();
            let deadline = engine.handle().now() + Duration::from_secs(1);
            let mut timer = engine.handle().timer();
            let attempt = connect(&engine, listener.local_address(), &mut timer, deadline).await.map(drop);
            match attempt {
                Ok(()) => accept(&mut listener).await.map(drop),
                error => error,
            }
        });
        assert_eq!(outcome, Err(expected));
        assert_eq!(simulated.network().open_sockets(), 0);
    }
}

#[test]
fn a_cut_stream_ends_early_and_a_later_write_is_reset() {
    let faults = Faults { cut: 1.0, ..Faults::default() };
    on_a_connection(faults, |engine, _, mut client, mut server| async move {
        let sent = pattern(10_000);
        client.send(&sent).await.unwrap();
        let (received, ended) = server.read_to_end().await;
        assert_eq!(ended, Ok(()));
        assert!(received.len() < sent.len() && sent.starts_with(&received));
        assert!(client.read().await.unwrap().is_none());
        client.send(b"lost").await.unwrap();
        let answered = engine.handle().now() + Faults::default().latency;
        client.timer.sleep_until(answered).await;
        assert_eq!(client.read().await.unwrap_err(), IoError::Reset);
    });
}

#[test]
fn a_reset_in_the_middle_reaches_both_peers() {
    let faults = Faults { reset: 1.0, ..Faults::default() };
    on_a_connection(faults, |_, _, mut client, mut server| async move {
        client.send(b"perhaps").await.unwrap();
        for (peer, whole) in [(&mut client, &b""[..]), (&mut server, b"perhaps")] {
            let (received, ended) = peer.read_to_end().await;
            assert_eq!(ended, Err(IoError::Reset));
            assert!(whole.starts_with(&received));
            assert_eq!(peer.send(b"x").await, Err(IoError::Reset));
            assert_eq!(peer.send(b"x").await, Err(IoError::Closed));
        }
    });
}

#[test]
fn a_slow_peer_drips_in_small_pieces() {
    let faults = Faults { slow: 1.0, drip_bytes_max: 5, ..Faults::default() };
    on_a_connection(faults, |engine, _, mut client, mut server| async move {
        let start = engine.handle().now();
        client.send(&[1; 500]).await.unwrap();
        let mut reads = 0;
        let mut bytes = 0;
        while bytes < 500 {
            let lent = server.read().await.unwrap().unwrap();
            assert!(lent.len() <= 5);
            bytes += lent.len();
            reads += 1;
        }
        assert!(reads >= 100);
        assert!(engine.handle().now().since(start) > Faults::default().drip_interval * 99);
    });
}

#[test]
fn a_killed_address_resets_refuses_and_may_come_back() {
    on_a_connection(Faults::default(), |engine, mut listener, mut client, mut server| async move {
        let address = listener.local_address();
        engine.network().kill(address);
        assert_eq!(client.read().await.unwrap_err(), IoError::Reset);
        assert_eq!(server.read().await.unwrap_err(), IoError::Reset);
        assert!(accept(&mut listener).await.unwrap().is_none());
        assert!(matches!(engine.connect(address).await, Err(IoError::Refused)));
        let mut second = engine.listen(address).unwrap();
        drop(listener);
        engine.connect(address).await.unwrap();
        assert!(accept(&mut second).await.unwrap().is_some());
    });
}

#[test]
fn a_paused_address_takes_connections_and_bytes_and_answers_when_resumed() {
    on_a_connection(Faults::default(), |engine, mut listener, mut client, mut server| async move {
        let address = listener.local_address();
        engine.network().pause(address);
        client.send(b"held").await.unwrap();
        let second = engine.connect(address).await.unwrap();
        assert_eq!(server.read_for(Duration::from_secs(9)).await.unwrap_err(), IoError::TimedOut);
        engine.network().resume(address);
        assert_eq!(server.read_exact(4).await, b"held");
        assert!(accept(&mut listener).await.unwrap().is_some());
        drop(second);
    });
}

#[test]
fn a_partition_holds_back_what_arrives_when_it_heals() {
    on_a_connection(Faults::default(), |engine, listener, mut client, mut server| async move {
        let address = listener.local_address();
        engine.network().partition(address);
        client.send(b"late").await.unwrap();
        client.writer.shutdown();
        let mut connecting = engine.connect(address);
        assert_eq!(server.read_for(Duration::from_secs(9)).await.unwrap_err(), IoError::TimedOut);
        let pending = poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut connecting).poll(context).is_pending())
        });
        assert!(pending.await);
        engine.network().heal(address);
        assert_eq!(read_to_end(&mut server.reader).await, (b"late".to_vec(), Ok(())));
        connecting.await.unwrap();
    });
}

#[test]
fn a_full_backlog_answers_when_there_is_room_again() {
    let faults = Faults { backlog_max: 1, ..Faults::default() };
    on_a_connection(faults, |engine, mut listener, _client, _server| async move {
        let address = listener.local_address();
        let first = engine.connect(address).await.unwrap();
        let mut timer = engine.handle().timer();
        let mut second = engine.connect(address);
        let soon = engine.handle().now() + Duration::from_millis(500);
        let waits = engine::within(&mut timer, soon, |context| std::pin::Pin::new(&mut second).poll(context));
        assert!(matches!(waits.await, Err(IoError::TimedOut)));
        assert!(accept(&mut listener).await.unwrap().is_some());
        second.await.unwrap();
        drop(first);
    });
}

#[test]
fn a_run_that_can_never_end_is_reported_instead_of_hanging() {
    let simulated = Simulated::new(9, Faults::default());
    let engine = simulated.clone();
    let report = catch_unwind(AssertUnwindSafe(|| {
        simulated.run(async move {
            let mut listener = engine.listen(loopback()).unwrap();
            accept(&mut listener).await.unwrap();
        });
    }));
    let report = *report.unwrap_err().downcast::<String>().unwrap();
    assert!(
        report.contains("deadlock") && report.contains("seed 9") && report.contains("Listen"),
        "{report}"
    );
}

#[test]
fn a_task_that_never_rests_does_not_stop_the_clock() {
    let simulated = Simulated::new(9, Faults::default());
    let handle = simulated.handle().clone();
    let inner = handle.clone();
    simulated.run(async move {
        inner.spawn(poll_fn(|context| {
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        }));
        inner.timer().sleep_until(Moment::ORIGIN + Duration::from_millis(1)).await;
    });
    assert!(handle.now() >= Moment::ORIGIN + Duration::from_millis(1));
}
