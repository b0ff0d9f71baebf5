//! A wait that is given up loses nothing.

use std::rc::Rc;
use std::time::Duration;

use ringway::engine::{self, Engine, IoError, Listener, Writer, within};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::bench::{Bench, until};
use crate::peer::{Peer, assert_same, pair, pattern};

/// More than the kernel takes for a peer that does not read.
pub(crate) const FLOOD_BYTES: usize = 12 << 20;

/// A byte is sent for every read that was given up, so that they meet at all distances.
pub(crate) async fn a_read_dropped_by_a_deadline_loses_no_byte<B: Bench>(bench: Rc<B>) {
    let (mut client, mut server) = pair(&bench).await;
    let sent = pattern(400);
    let given_up = Semaphore::new(0);
    let dripping = async {
        for byte in &sent {
            given_up.acquire().await.unwrap().forget();
            client.send(&[*byte]).await.unwrap();
        }
        client.writer.shutdown();
    };
    let reading = async {
        let mut received = Vec::new();
        loop {
            match server.read_for(Duration::from_micros(30)).await {
                Ok(Some(lent)) => received.extend_from_slice(&lent),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error, IoError::TimedOut);
                    given_up.add_permits(1);
                }
            }
        }
        assert_same(&received, &sent);
    };
    tokio::join!(dripping, reading);
}

pub(crate) async fn a_flush_dropped_by_a_deadline_loses_and_repeats_no_byte<B: Bench>(bench: Rc<B>) {
    let (mut client, mut server) = pair(&bench).await;
    let sent = pattern(FLOOD_BYTES);
    let (full, filled) = oneshot::channel();
    let flushing = async {
        client.writer.buffer().extend_from_slice(&sent);
        let (mut full, mut taken) = (Some(full), 0);
        while let Err(error) = client.flush_for(Duration::from_micros(200)).await {
            assert_eq!(error, IoError::TimedOut);
            assert!((taken..=FLOOD_BYTES as u64).contains(&client.writer.taken()));
            // Given up with nothing taken since the last time: the pipe is full, and the peer may begin.
            if taken == client.writer.taken() {
                let _ = full.take().map(|full| full.send(()));
            }
            taken = client.writer.taken();
        }
        assert!(full.is_none(), "the pipe was never full");
        assert_eq!(client.writer.taken(), FLOOD_BYTES as u64);
        client.writer.shutdown();
    };
    let reading = async {
        filled.await.unwrap();
        let (received, ended) = server.read_to_end().await;
        assert_eq!(ended, Ok(()));
        assert_same(&received, &sent);
    };
    tokio::join!(flushing, reading);
}

pub(crate) async fn timed_out_is_no_end_of_file<B: Bench>(bench: Rc<B>) {
    let (mut client, mut server) = pair(&bench).await;
    for _ in 0..3 {
        assert_eq!(server.read_for(Duration::from_millis(1)).await.unwrap_err(), IoError::TimedOut);
    }
    client.send(b"late").await.unwrap();
    assert_eq!(server.read_exact(4).await, b"late");
    assert_eq!(server.read_for(Duration::from_millis(1)).await.unwrap_err(), IoError::TimedOut);
    client.writer.shutdown();
    assert!(server.read().await.unwrap().is_none());
}

pub(crate) async fn a_connect_that_times_out_leaves_no_socket<B: Bench>(bench: Rc<B>) {
    let engine = bench.engine();
    let scene = bench.silent();
    let before = bench.sockets_to(scene.address);
    let mut timer = engine.handle().timer();
    let mut attempts: Vec<_> = (0..10).map(|_| engine.connect(scene.address)).collect();
    let deadline = engine.handle().now() + Duration::from_millis(20);
    for attempt in &mut attempts {
        let outcome =
            within(&mut timer, deadline, |context| std::pin::Pin::new(&mut *attempt).poll(context)).await;
        assert!(matches!(outcome, Err(IoError::TimedOut)), "somebody answered");
    }
    assert_eq!(bench.sockets_to(scene.address), before + 10);
    drop(attempts);
    let deadline = engine.handle().now() + Duration::from_millis(5);
    let outcome = engine::connect(&engine, scene.address, &mut timer, deadline).await;
    assert!(matches!(outcome, Err(IoError::TimedOut)), "somebody answered");
    until(&engine, || bench.sockets_to(scene.address) == before).await;
}

pub(crate) async fn a_connect_is_refused_where_nobody_listens<B: Bench>(bench: Rc<B>) {
    let engine = bench.engine();
    let scene = bench.refusing();
    for _ in 0..10 {
        assert!(matches!(engine.connect(scene.address).await, Err(IoError::Refused)));
    }
    assert_eq!(bench.sockets_to(scene.address), 0);
}

/// A client connects for every accept that was given up.
pub(crate) async fn an_accept_dropped_by_a_deadline_loses_no_connection<B: Bench>(bench: Rc<B>) {
    const CLIENTS: u8 = 60;
    let engine = bench.engine();
    let mut listener = bench.listen();
    let address = listener.local_address();
    let given_up = Rc::new(Semaphore::new(0));
    let (done, mut served) = mpsc::unbounded_channel();
    for client in 0..CLIENTS {
        let (engine, given_up, done) = (engine.clone(), given_up.clone(), done.clone());
        engine.clone().handle().spawn(async move {
            given_up.acquire().await.unwrap().forget();
            let mut peer = Peer::new(&engine, engine.connect(address).await.unwrap());
            peer.send(&[client]).await.unwrap();
            assert_eq!(peer.read_exact(1).await, [client]);
            done.send(client).unwrap();
        });
    }
    let mut timer = engine.handle().timer();
    let mut accepted = 0;
    while accepted < CLIENTS {
        let deadline = engine.handle().now() + Duration::from_micros(40);
        match within(&mut timer, deadline, |context| listener.poll_connection(context)).await {
            Ok(next) => {
                let connection = next.unwrap().expect("the listener was not stopped").connection;
                let peer = Peer::new(&engine, connection);
                engine.handle().spawn(async move { peer.echo().await.unwrap() });
                accepted += 1;
            }
            Err(error) => {
                assert_eq!(error, IoError::TimedOut);
                given_up.add_permits(1);
            }
        }
    }
    let mut clients = Vec::new();
    while clients.len() < usize::from(CLIENTS) {
        clients.push(served.recv().await.unwrap());
    }
    clients.sort_unstable();
    assert_eq!(clients, (0..CLIENTS).collect::<Vec<_>>());
}
