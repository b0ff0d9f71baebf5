//! Connections to replicas: reused, waited for, lost and made again.

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{bounded, unbounded};

use crate::harness::clock::PATIENCE;
use crate::harness::{Backend, Engine, Proxy, pause, poll, service};

pub(crate) fn a_stale_connection_never_doubles_a_post(engine: Engine) {
    let posts = Arc::new(AtomicUsize::new(0));
    let seen = posts.clone();
    let (close, closed) = unbounded();
    // It closes each connection after an answer, without having said so.
    let replica = Backend::start(move |peer| {
        let Some(request) = peer.request() else { return };
        seen.fetch_add(usize::from(request.line().starts_with("POST")), Ordering::SeqCst);
        peer.answer("", "ok");
        let _ = peer.stream.shutdown(Shutdown::Both);
        let _ = close.send(());
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    for round in 0..300 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200, "a GET is always repeated; round {round}");
        let before = posts.load(Ordering::SeqCst);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        let status = client.answer().status;
        let count = posts.load(Ordering::SeqCst) - before;
        match status {
            200 => assert_eq!(count, 1, "round {round}"),
            // It met the close on its way: nobody can know, so nobody may repeat it.
            502 => assert!(count <= 1, "{count} in round {round}"),
            other => panic!("{other} in round {round}"),
        }
    }
    // A close that has come is seen before the connection is used again.
    for round in 0..20 {
        while closed.try_recv().is_ok() {}
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        closed.recv_timeout(PATIENCE).expect("awaited: the replica to close its connection");
        pause(Duration::from_millis(10));
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(client.answer().status, 200, "round {round}");
        closed.recv_timeout(PATIENCE).expect("awaited: the replica to close its connection");
    }
}

/// Many clients at once, and each connection is reset after an answer: some requests meet the reset between the look at a
/// pooled connection and their first byte. Those are sent again with their bodies, or not at all.
pub(crate) fn a_body_is_not_lost_with_a_stale_connection(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            peer.answer("", request.body);
            if request.head.contains("/last") {
                return peer.reset();
            }
        }
    });
    let keys = "timeouts = { first_byte_ms = 5000 }\nretries = { budget_burst = 10000 }";
    let proxy = Proxy::start(engine, 1, &service(keys, &[("a", &replica)]));
    let post_all = |number: usize| {
        let mut client = proxy.client();
        for round in 0..250 {
            let body = format!("the body of {number} in round {round}");
            let path = if round % 2 == 0 { "/" } else { "/last" };
            let length = body.len();
            client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
            let answer = client.answer();
            match answer.status {
                200 => assert_eq!(answer.text(), body),
                // Its connection was gone, and its body taken from the client and not kept.
                status => assert_eq!(status, 502, "{body}"),
            }
        }
    };
    thread::scope(|scope| {
        let post_all = &post_all;
        for number in 0..24 {
            scope.spawn(move || post_all(number));
        }
    });
}

pub(crate) fn a_small_body_is_there_before_a_connection_is_taken(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    poll("the exchange to begin", || (proxy.metrics().of("exchanges_open{core=\"0\"}") == 1).then_some(()));
    assert_eq!(proxy.metrics().of("upstream_connects_total"), 0, "a client that drips holds no connection");
    client.send("56789GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().text().ends_with("\r\n\r\n0123456789"));
    assert!(client.answer().text().starts_with("GET /next "));
    assert_eq!(proxy.metrics().of("upstream_connects_total"), 1);
}

pub(crate) fn uploads_leave_connections_to_others(engine: Engine) {
    let (begun, begins) = unbounded();
    let replica = Backend::start(move |peer| {
        while let Some(request) = peer.head() {
            let _ = begun.send(request.line().to_owned());
            let length = request.fields.one("Content-Length").map_or(0, |length| length.parse().unwrap());
            if peer.take(length).is_none() || peer.answer("", request.line()).is_none() {
                return;
            }
        }
    });
    let keys = "pool = { connections_max = 4, idle_max = 4 }\ntimeouts = { queue_ms = 10000 }";
    let proxy = Proxy::start(engine, 1, &service(keys, &[("a", &replica)]));
    let begins = || begins.recv_timeout(PATIENCE).expect("awaited: a request at the replica");
    let upload = |number: usize| {
        let mut client = proxy.client();
        client.send(format!("PUT /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nx"));
        client
    };
    let mut clients: Vec<_> = (0..3).map(&upload).collect();
    clients.iter().for_each(|_| assert!(begins().starts_with("PUT")));
    clients.push(upload(3));
    poll("the fourth upload to wait", || {
        (proxy.metrics().of("exchanges_open{core=\"0\"}") == 4).then_some(())
    });
    assert_eq!(proxy.get("/").text(), "GET / HTTP/1.1", "which has the fourth connection");
    assert_eq!(begins(), "GET / HTTP/1.1");
    // With the first body at its end the next begins, whether it is answered or not.
    for client in &mut clients {
        client.send([b'x'; 19_999]);
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(begins(), "PUT /3 HTTP/1.1");
}

pub(crate) fn requests_wait_for_a_connection_in_order(engine: Engine) {
    let (arrived, arrivals) = unbounded();
    let (release, released) = unbounded::<()>();
    let replica = Backend::start(move |peer| {
        while let Some(request) = peer.request() {
            let _ = arrived.send(request.line().to_owned());
            if released.recv().is_err() || peer.answer("", request.line()).is_none() {
                return;
            }
        }
    });
    let keys = "pool = { connections_max = 1, queue_max = 2, idle_max = 1 }\ntimeouts = { queue_ms = 5000 }";
    let proxy = Proxy::start(engine, 1, &service(keys, &[("a", &replica)]));
    let mut clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    let arrive = || arrivals.recv_timeout(PATIENCE).expect("awaited: a request at the replica");
    clients[0].send("GET /0 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(arrive(), "GET /0 HTTP/1.1");
    for (number, client) in clients.iter_mut().enumerate().skip(1) {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        // Its bytes are counted when the exchange ends; that it has begun tells the gauge.
        let open = number as u64 + 1;
        poll("the request to wait in the queue", || {
            (proxy.metrics().of("exchanges_open{core=\"0\"}") == open).then_some(())
        });
    }
    let answer = proxy.get("/full");
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")), "the queue is full");
    for (number, client) in clients.iter_mut().enumerate() {
        release.send(()).unwrap();
        assert_eq!(client.answer().text(), format!("GET /{number} HTTP/1.1"));
        if number < 2 {
            assert_eq!(arrive(), format!("GET /{} HTTP/1.1", number + 1), "in order of arrival");
        }
    }
    assert_eq!(proxy.metrics().of("upstream_connects_total"), 1);
    a_place_in_the_queue_times_out(engine);
}

fn a_place_in_the_queue_times_out(engine: Engine) {
    let (arrived, arrival) = bounded(1);
    let (release, released) = bounded::<()>(1);
    let replica = Backend::start(move |peer| {
        if peer.request().is_some() {
            let _ = arrived.send(());
            let _ = released.recv();
            peer.answer("", "ok");
        }
    });
    let keys = "pool = { connections_max = 1, idle_max = 0 }\ntimeouts = { queue_ms = 150 }";
    let proxy = Proxy::start(engine, 1, &service(keys, &[("a", &replica)]));
    thread::scope(|scope| {
        let first = scope.spawn(|| proxy.get("/").status);
        arrival.recv_timeout(PATIENCE).expect("awaited: the first request at the replica");
        assert_eq!(proxy.get("/").status, 503);
        assert_eq!(proxy.metrics().of("timeouts_total{phase=\"queue\"}"), 1);
        release.send(()).unwrap();
        assert_eq!(first.join().unwrap(), 200);
    });
}

pub(crate) fn a_replica_that_comes_back_is_used_again(engine: Engine) {
    let mut replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 2, &service("", &[("a", &replica)]));
    for round in 0..3 {
        assert_eq!(proxy.get("/").status, 200, "round {round}");
        replica.go_down();
        let status = proxy.get("/").status;
        assert!([502, 503].contains(&status), "{status} in round {round}");
        proxy.await_replica("a", false);
        assert_eq!(proxy.get("/").status, 503, "round {round}");
        pause(Duration::from_millis(50));
        replica.go_up();
        proxy.await_replica("a", true);
    }
    assert_eq!(proxy.get("/").status, 200);
}
