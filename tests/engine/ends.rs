//! How connections and listeners end.

use std::rc::Rc;
use std::time::Duration;

use ringway::engine::{Engine, IoError, Listener, Reader, Writer, accept};

use crate::bench::{Bench, is_broken, until};
use crate::deadlines::FLOOD_BYTES;
use crate::peer::{Peer, assert_same, pair, pattern};

pub(crate) async fn an_end_knows_its_address<B: Bench>(bench: Rc<B>) {
    let (client, server) = pair(&bench).await;
    let (near, far) = (client.writer.local_address().unwrap(), server.writer.local_address().unwrap());
    assert_ne!(near, far);
    assert!(near.port() != 0 && far.port() != 0, "{near} and {far}");
}

pub(crate) async fn either_peer_may_end_its_stream_and_still_read<B: Bench>(bench: Rc<B>) {
    for client_first in [true, false] {
        let (client, server) = pair(&bench).await;
        let (mut early, mut late) = if client_first { (client, server) } else { (server, client) };
        early.send(b"the last").await.unwrap();
        early.writer.shutdown();
        let (received, ended) = late.read_to_end().await;
        assert_eq!((&received[..], ended), (&b"the last"[..], Ok(())));
        let answer = pattern(300_000);
        let answering = async {
            late.send(&answer).await.unwrap();
            late.writer.shutdown();
        };
        let ((), (received, ended)) = tokio::join!(answering, early.read_to_end());
        assert_eq!(ended, Ok(()));
        assert_same(&received, &answer);
    }
}

/// A peer whose counterpart has closed with bytes left unread, which resets the connection.
async fn abandoned<B: Bench>(bench: &Rc<B>) -> Peer<B::Engine> {
    let (client, mut server) = pair(bench).await;
    server.writer.buffer().resize(FLOOD_BYTES, 7);
    // The pipe is full when no more is taken.
    let mut taken = u64::MAX;
    while taken != server.writer.taken() {
        taken = server.writer.taken();
        assert_eq!(server.flush_for(Duration::from_millis(2)).await, Err(IoError::TimedOut));
    }
    drop(client);
    server
}

pub(crate) async fn a_reset_is_seen_by_the_reader_and_stays<B: Bench>(bench: Rc<B>) {
    let mut server = abandoned(&bench).await;
    for _ in 0..3 {
        assert_eq!(server.read().await.unwrap_err(), IoError::Reset);
    }
    let broken = server.flush_for(Duration::from_secs(5)).await.unwrap_err();
    assert!(is_broken(broken), "{broken:?}");
}

pub(crate) async fn a_reset_that_the_writer_saw_is_no_end_of_file_to_the_reader<B: Bench>(bench: Rc<B>) {
    let mut server = abandoned(&bench).await;
    let broken = server.flush_for(Duration::from_secs(5)).await.unwrap_err();
    assert!(is_broken(broken), "{broken:?}");
    assert_eq!(server.read().await.unwrap_err(), IoError::Reset);
    assert!(is_broken(server.send(b"more").await.unwrap_err()));
}

pub(crate) async fn an_aborted_connection_is_a_reset_and_no_end_of_file<B: Bench>(bench: Rc<B>) {
    let (mut client, mut server) = pair(&bench).await;
    server.send(b"part").await.unwrap();
    assert_eq!(client.read_exact(4).await, b"part");
    server.writer.buffer().extend_from_slice(b"never sent");
    server.writer.abort();
    drop(server);
    assert_eq!(client.read().await.unwrap_err(), IoError::Reset);
}

pub(crate) async fn a_stopped_listener_hands_out_what_is_queued_and_then_none<B: Bench>(bench: Rc<B>) {
    const CLIENTS: usize = 7;
    let engine = bench.engine();
    let mut listener = bench.listen();
    let address = listener.local_address();
    for client in 0..CLIENTS as u8 {
        let engine = engine.clone();
        engine.clone().handle().spawn(async move {
            let mut peer = Peer::new(&engine, engine.connect(address).await.unwrap());
            peer.send(&[client]).await.unwrap();
            // Holds the connection until the server is done with it.
            let _ = peer.read_to_end().await;
        });
    }
    // That a connection is in the queue is an event to nobody but the queue.
    engine.handle().timer().sleep_until(engine.handle().now() + Duration::from_millis(30)).await;
    listener.stop();
    let mut clients = Vec::new();
    while let Some(accepted) = accept(&mut listener).await.unwrap() {
        clients.push(Peer::new(&engine, accepted.connection).read_exact(1).await[0]);
    }
    clients.sort_unstable();
    assert_eq!(clients, (0..CLIENTS as u8).collect::<Vec<_>>());
    assert!(accept(&mut listener).await.unwrap().is_none());
}

pub(crate) async fn halves_dropped_while_they_wait_end_the_stream<B: Bench>(bench: Rc<B>) {
    let (mut client, mut server) = pair(&bench).await;
    assert_eq!(client.read_for(Duration::from_millis(1)).await.unwrap_err(), IoError::TimedOut);
    drop(client);
    let (received, ended) = server.read_to_end().await;
    assert_eq!((received.len(), ended), (0, Ok(())));
}

pub(crate) async fn halves_dropped_with_a_full_pipe_lose_nothing_that_was_taken_in_order<B: Bench>(
    bench: Rc<B>,
) {
    let engine = bench.engine();
    for reader_first in [true, false] {
        let (mut client, mut server) = pair(&bench).await;
        let sent = pattern(FLOOD_BYTES);
        client.writer.buffer().extend_from_slice(&sent);
        assert_eq!(client.flush_for(Duration::from_millis(5)).await, Err(IoError::TimedOut));
        assert_eq!(client.read_for(Duration::from_millis(1)).await.unwrap_err(), IoError::TimedOut);
        let Peer { reader, writer, .. } = client;
        if reader_first {
            drop(reader);
            drop(writer);
        } else {
            drop(writer);
            drop(reader);
        }
        // A layer above may report a record that was cut as an error; the stream ends in any case.
        let (received, _) = server.read_to_end().await;
        assert!(received.len() < sent.len());
        assert_same(&received, &sent[..received.len()]);
        drop(server);
        until(&engine, || engine.handle().buffers().outstanding() == 0).await;
    }
}

pub(crate) async fn one_half_lives_without_the_other<B: Bench>(bench: Rc<B>) {
    let (client, mut server) = pair(&bench).await;
    let bytes = pattern(100_000);
    let Peer { reader, mut writer, timer, engine } = client;
    drop(reader);
    let sending = async {
        crate::peer::send(&mut writer, &bytes).await.unwrap();
        writer.shutdown();
    };
    let ((), (received, ended)) = tokio::join!(sending, server.read_to_end());
    assert_eq!(ended, Ok(()));
    assert_same(&received, &bytes);
    drop((writer, timer, engine));

    let (client, mut server) = pair(&bench).await;
    let Peer { mut reader, writer, .. } = client;
    drop(writer);
    let sending = async {
        server.send(&bytes).await.unwrap();
        server.writer.shutdown();
    };
    let ((), (received, ended)) = tokio::join!(sending, crate::peer::read_to_end(&mut reader));
    assert_eq!(ended, Ok(()));
    assert_same(&received, &bytes);
}

pub(crate) async fn a_connection_is_quiet_until_something_comes<B: Bench>(bench: Rc<B>) {
    let engine = bench.engine();
    let (mut client, mut server) = pair(&bench).await;
    for round in 0..3u8 {
        assert_eq!(server.read_for(Duration::from_millis(1)).await.unwrap_err(), IoError::TimedOut);
        assert!(server.reader.is_quiet() && server.reader.is_quiet());
        client.send(&[round]).await.unwrap();
        until(&engine, || !server.reader.is_quiet()).await;
        assert!(!server.reader.is_quiet());
        assert_eq!(server.read_exact(1).await, [round]);
    }
    assert_eq!(server.read_for(Duration::from_millis(1)).await.unwrap_err(), IoError::TimedOut);
    assert!(server.reader.is_quiet());
    client.send(b"bye").await.unwrap();
    client.writer.shutdown();
    until(&engine, || !server.reader.is_quiet()).await;
    assert_eq!(server.read_exact(3).await, b"bye");
    until(&engine, || !server.reader.is_quiet()).await;
    assert!(server.read().await.unwrap().is_none());
    assert!(!server.reader.is_quiet());
}
