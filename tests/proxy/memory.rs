//! What a connection costs in memory, whatever its client and its replica do: the figures of README.
//!
//! Anonymous memory only, and its growth: the kernel's socket buffers are bounded by the system.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{Backend, Client, Engine, Proxy, pause, poll, service};

/// Connections that hold buffers: enough that what the process needs anyway does not matter.
const BUSY: usize = 200;
/// Connections that hold next to nothing.
const WAITING: usize = 1000;
const KIB: u64 = 1024;

struct Measured {
    proxy: Proxy,
    connections: usize,
    before: u64,
}

impl Measured {
    /// A proxy that has served, so that what it makes once is there.
    fn start(engine: Engine, backend: &Backend, connections: usize) -> Measured {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("more descriptors");
        let proxy = Proxy::start(engine, 1, &service("key = \"path\"", &[("a", backend)]));
        proxy.metrics();
        let before = proxy.anonymous_memory();
        Measured { proxy, connections, before }
    }

    fn per_connection(&self) -> u64 {
        self.proxy.anonymous_memory().saturating_sub(self.before) / self.connections as u64
    }

    /// What a connection holds once nothing changes any more.
    fn at_rest(&self) -> u64 {
        let (mut last, mut equal) = (u64::MAX, 0);
        poll("the memory to come to rest", || {
            let now = self.per_connection();
            equal = if now == last { equal + 1 } else { 0 };
            last = now;
            (equal == 20).then_some(now)
        });
        println!("{last} bytes a connection");
        last
    }

    fn clients(&self, first: &[u8]) -> Vec<Client> {
        let connect = |_| {
            let mut client = self.proxy.client();
            client.send(first);
            client
        };
        (0..self.connections).map(connect).collect()
    }
}

/// Sends until nothing more is taken for a while.
fn stuff(client: &Client, bytes: &[u8]) {
    let mut stream: &TcpStream = &client.stream;
    stream.set_write_timeout(Some(Duration::from_millis(20))).expect("a socket");
    loop {
        match stream.write(bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("the proxy left: {error}"),
        }
    }
}

pub(crate) fn a_waiting_connection_is_small(engine: Engine) {
    let backend = Backend::echo("a");
    let mut measured = Measured::start(engine, &backend, WAITING);
    let served = |measured: &Measured| {
        let mut clients = measured.clients(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
        clients
    };
    // The first ones grow what all share, such as the buffers of io_uring. An exchange's memory is kept for a second.
    let first = served(&measured);
    pause(Duration::from_millis(1500));
    measured.before = measured.proxy.anonymous_memory();
    let second = served(&measured);
    poll("waiting connections to give memory back", || (measured.per_connection() <= 4 * KIB).then_some(()));
    drop((first, second));
}

pub(crate) fn a_head_in_parts_is_bounded(engine: Engine) {
    let backend = Backend::echo("a");
    let measured = Measured::start(engine, &backend, BUSY);
    let head = [b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ", &[b'x'; 16_000][..]].concat();
    let mut clients = measured.clients(&head);
    pause(Duration::from_millis(50));
    clients.iter_mut().for_each(|client| client.send([b'x'; 15_000]));
    let held = measured.at_rest();
    assert!(held <= 64 * KIB, "a connection with an unfinished head holds {held} bytes");
    assert_eq!(measured.proxy.metrics().of("connections_open{core=\"0\"}"), BUSY as u64);
}

pub(crate) fn an_answer_that_nobody_reads_is_bounded(engine: Engine) {
    let backend =
        Backend::start(
            |peer| {
                while peer.request().is_some() && peer.answer("", vec![b'x'; 16 << 20]).is_some() {}
            },
        );
    let measured = Measured::start(engine, &backend, BUSY);
    let clients = measured.clients(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let held = measured.at_rest();
    assert!(held <= 64 * KIB, "a connection that does not read holds {held} bytes");
    drop(clients);
}

pub(crate) fn bodies_stalled_both_ways_are_bounded(engine: Engine) {
    let backend = Backend::start(|peer| {
        if peer.head().is_some() {
            let _ = peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            while peer.send(vec![b'x'; 1 << 20]).is_some() {}
        }
    });
    let measured = Measured::start(engine, &backend, BUSY);
    let clients = measured.clients(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    clients.iter().for_each(|client| stuff(client, &[b'x'; 1 << 16]));
    let held = measured.at_rest();
    // Two blocks, and up to 64 KiB of the request that could be sent again.
    assert!(held <= 192 * KIB, "a connection that is stalled both ways holds {held} bytes");
    drop(clients);
}
