//! Bytes arrive as they were sent.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use ringway::engine::simulated::Random;
use ringway::engine::{Engine, Handle, IoError, Lent, Reader, Writer};

use crate::bench::Bench;
use crate::peer::{Peer, assert_same, pair, pattern, read_to_end, send};

pub(crate) async fn what_is_sent_comes_back<B: Bench>(bench: Rc<B>) {
    for length in [0, 1, 2, 4095, 4096, 4097, 16_384, 40_000, 1 << 20] {
        let (client, server) = pair(&bench).await;
        bench.engine().handle().spawn(async move { server.echo().await.unwrap() });
        let sent = pattern(length);
        let Peer { mut reader, mut writer, .. } = client;
        let sending = async {
            send(&mut writer, &sent).await.unwrap();
            assert_eq!(writer.taken(), length as u64);
            writer.shutdown();
        };
        let ((), (received, ended)) = tokio::join!(sending, read_to_end(&mut reader));
        assert_eq!(ended, Ok(()));
        assert_same(&received, &sent);
    }
}

pub(crate) async fn a_thousand_small_messages_come_back<B: Bench>(bench: Rc<B>) {
    let (mut client, server) = pair(&bench).await;
    bench.engine().handle().spawn(async move { server.echo().await.unwrap() });
    let sent = pattern(1000);
    for length in 1..=1000 {
        let length = length % 97 + 1;
        client.send(&sent[..length]).await.unwrap();
        assert_eq!(client.read_exact(length).await, &sent[..length]);
    }
}

/// Buffers that may be out while two connections' ends stream: some lent, some queued, each at most a block.
const BUFFERS_MAX: usize = 24;

pub(crate) async fn both_directions_flow_at_once_in_bounded_memory<B: Bench>(bench: Rc<B>) {
    let (client, server) = pair(&bench).await;
    let handle = bench.engine().handle().clone();
    tokio::join!(stream_both_ways(client, &handle), stream_both_ways(server, &handle));
}

async fn stream_both_ways<E: Engine>(peer: Peer<E>, handle: &Handle) {
    let bytes = pattern(2 << 20);
    let Peer { mut reader, mut writer, .. } = peer;
    let sending = async {
        for piece in bytes.chunks(50_000) {
            send(&mut writer, piece).await.unwrap();
            let queue = writer.buffer().capacity();
            assert!(queue <= 200_000, "the queue grew to {queue} bytes");
        }
        writer.shutdown();
    };
    let receiving = async {
        let mut received = Vec::new();
        while let Some(lent) = poll_fn(|context| reader.poll_read(context)).await.unwrap() {
            received.extend_from_slice(&lent);
            let out = handle.buffers().outstanding();
            assert!(out <= BUFFERS_MAX, "{out} buffers are out");
        }
        assert_same(&received, &bytes);
    };
    tokio::join!(sending, receiving);
}

fn lent(handle: &Handle, bytes: &[u8]) -> Lent {
    handle.buffers().lend_with(|block| {
        block[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    })
}

/// Queues pieces with `buffer` and `lend` by turns, with a flush here and there that may not finish.
pub(crate) async fn bytes_leave_in_the_order_in_which_they_were_queued<B: Bench>(bench: Rc<B>) {
    let (mut client, mut server) = pair(&bench).await;
    let handle = bench.engine().handle().clone();
    let bytes = pattern(600_000);
    let expected = bytes.clone();
    let sending = async move {
        let mut random = Random::new(1);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(random.up_to(9000) as usize));
            rest = after;
            if random.chance(0.5) {
                client.writer.lend(lent(&handle, piece));
            } else {
                client.writer.buffer().extend_from_slice(piece);
            }
            if random.chance(0.3) {
                let outcome = client.flush_for(Duration::from_micros(50)).await;
                assert!(matches!(outcome, Ok(()) | Err(IoError::TimedOut)), "{outcome:?}");
            }
        }
        poll_fn(|context| client.writer.poll_flush(context)).await.unwrap();
        client.writer.shutdown();
    };
    let ((), (received, ended)) = tokio::join!(sending, server.read_to_end());
    assert_eq!(ended, Ok(()));
    assert_same(&received, &expected);
}

pub(crate) async fn an_idle_connection_holds_no_buffer<B: Bench>(bench: Rc<B>) {
    let (mut client, mut server) = pair(&bench).await;
    client.send(b"one").await.unwrap();
    assert_eq!(server.read_exact(3).await, b"one");
    assert_eq!(server.read_for(Duration::from_millis(1)).await.unwrap_err(), IoError::TimedOut);
    // Asked for and not filled.
    assert!(client.writer.buffer().is_empty());
    client.flush_for(Duration::from_millis(1)).await.unwrap();
    assert_eq!(client.writer.taken(), 3);
    assert_eq!(bench.engine().handle().buffers().outstanding(), 0);
}
