//! Connections that one thread accepts and another one serves.

use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::thread;

use ringway::engine::{Engine, Listener, Writer};
use tokio::sync::oneshot;

use crate::bench::Bench;
use crate::peer::{Peer, assert_same, pattern, read_to_end, send};

pub(crate) async fn a_connection_is_served_by_the_thread_that_adopts_it<B: Bench>(bench: Rc<B>)
where
    <B::Engine as Engine>::Listener: Listener<Socket = OwnedFd>,
{
    let (hand, handed) = oneshot::channel();
    let serving = thread::spawn(move || {
        let bench = B::start().unwrap();
        let (engine, mut listener) = (bench.engine(), bench.listen());
        bench.run(async move {
            let accepted = listener.adopt(handed.await.unwrap()).unwrap();
            Peer::new(&engine, accepted.connection).echo().await.unwrap();
            accepted.peer
        })
    });
    let mut listener = bench.listen();
    let connecting = bench.engine().connect(listener.local_address());
    let (client, incoming) = tokio::join!(connecting, poll_fn(|context| listener.poll_accept(context)));
    // What it has sent before anybody watches the connection is not lost.
    let sent = pattern(300_000);
    let Peer { mut reader, mut writer, .. } = Peer::new(&bench.engine(), client.unwrap());
    send(&mut writer, &sent[..1000]).await.unwrap();
    hand.send(incoming.unwrap().expect("the listener was not stopped")).unwrap();
    drop(listener);
    let sending = async {
        send(&mut writer, &sent[1000..]).await.unwrap();
        writer.shutdown();
    };
    let ((), (received, ended)) = tokio::join!(sending, read_to_end(&mut reader));
    assert_eq!(ended, Ok(()));
    assert_same(&received, &sent);
    assert_eq!(Some(serving.join().unwrap()), writer.local_address());
}
