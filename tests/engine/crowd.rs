//! Many connections at once.

use std::rc::Rc;

use ringway::engine::{Engine, Listener, Writer, accept};
use tokio::sync::{Semaphore, mpsc};

use crate::bench::Bench;
use crate::peer::{Peer, pattern};

const CROWD: usize = 1000;

/// All are open before the first byte is sent.
pub(crate) async fn a_thousand_connections_at_once<B: Bench>(bench: Rc<B>) {
    let engine = bench.engine();
    let mut listener = bench.listen();
    let address = listener.local_address();
    let gate = Rc::new(Semaphore::new(0));
    let (done, mut served) = mpsc::unbounded_channel();
    for client in 0..CROWD {
        let (engine, gate, done) = (engine.clone(), gate.clone(), done.clone());
        engine.clone().handle().spawn(async move {
            let mut peer = Peer::new(&engine, engine.connect(address).await.unwrap());
            gate.acquire().await.unwrap().forget();
            let message = pattern(client + 1);
            peer.send(&message).await.unwrap();
            assert_eq!(peer.read_exact(message.len()).await, message);
            peer.writer.shutdown();
            assert!(peer.read().await.unwrap().is_none());
            done.send(()).unwrap();
        });
    }
    for _ in 0..CROWD {
        let accepted = accept(&mut listener).await.unwrap().expect("the listener was not stopped");
        let peer = Peer::new(&engine, accepted.connection);
        engine.handle().spawn(async move { peer.echo().await.unwrap() });
    }
    gate.add_permits(CROWD);
    for _ in 0..CROWD {
        served.recv().await.unwrap();
    }
}
