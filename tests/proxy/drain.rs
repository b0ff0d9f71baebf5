//! How the program stops.

use std::net::TcpStream;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use rustix::process::Signal;

use crate::harness::clock::PATIENCE;
use crate::harness::{Backend, End, Engine, Proxy, Stopwatch, poll, service};

/// A replica that says when a request has come and answers when it is told to.
fn held() -> (Backend, Receiver<()>, Sender<()>) {
    let (arrived, arrivals) = bounded(10);
    let (release, released) = bounded(10);
    let replica = Backend::start(move |peer| {
        while let Some(request) = peer.request() {
            if request.line().contains("/held") {
                let _ = arrived.send(());
                if released.recv().is_err() {
                    return;
                }
            }
            if peer.answer("", "done").is_none() {
                return;
            }
        }
    });
    (replica, arrivals, release)
}

const HELD: &str = "GET /held HTTP/1.1\r\nHost: a\r\n\r\n";

fn arrive(arrivals: &Receiver<()>) {
    arrivals.recv_timeout(PATIENCE).expect("awaited: the request at the replica");
}

pub(crate) fn what_is_under_way_finishes_and_nothing_new_begins(engine: Engine) {
    let (replica, arrivals, release) = held();
    let drain = "[drain]\nlame_duck_ms = 1000\ntimeout_ms = 15000\n";
    let proxy = Proxy::start(engine, 2, &format!("{drain}{}", service("", &[("a", &replica)])));
    let mut under_way = proxy.client();
    under_way.send(HELD);
    arrive(&arrivals);
    let mut idle = proxy.client();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((idle.answer().status, proxy.operator("/readyz").status), (200, 200));
    let mut silent = proxy.client();
    proxy.signal(Signal::TERM);
    poll("/readyz to answer 503", || (proxy.operator("/readyz").status == 503).then_some(()));
    assert_eq!(proxy.operator("/healthz").status, 200, "alive, but not ready");
    // A lame duck still serves, each connection once.
    let mut late = proxy.client();
    late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = late.answer();
    assert_eq!((answer.status, answer.field("Connection")), (200, Some("close")));
    idle.expect_end();
    silent.expect_end();
    poll("new connections to be refused", || TcpStream::connect(proxy.http).is_err().then_some(()));
    release.send(()).unwrap();
    let answer = under_way.answer();
    assert_eq!((answer.text().as_str(), answer.end), ("done", End::Complete));
    assert_eq!(answer.field("Connection"), Some("close"));
    under_way.expect_end();
    // The client closes, too; nothing keeps the program then.
    drop((under_way, late));
    let watch = Stopwatch::start();
    let ended = proxy.wait();
    assert!(ended.status.success(), "{}:\n{}", ended.status, ended.log);
    assert!(ended.log.contains("connections_cut=0"), "{}", ended.log);
    assert!(watch.elapsed() < Duration::from_secs(10), "it waited for {:?}", watch.elapsed());
}

pub(crate) fn a_stuck_request_is_cut_when_the_time_is_over(engine: Engine) {
    let (replica, arrivals, _release) = held();
    let proxy =
        Proxy::start(engine, 1, &format!("[drain]\ntimeout_ms = 400\n{}", service("", &[("a", &replica)])));
    let mut stuck = proxy.client();
    stuck.send(HELD);
    arrive(&arrivals);
    let watch = Stopwatch::start();
    proxy.signal(Signal::INT);
    let ended = proxy.wait();
    let elapsed = watch.elapsed();
    assert!(ended.status.success(), "{}:\n{}", ended.status, ended.log);
    assert!(ended.log.contains("connections_cut=1"), "{}", ended.log);
    assert!(elapsed >= Duration::from_millis(400) && elapsed < Duration::from_secs(10), "after {elapsed:?}");
    assert!(stuck.answer_to("GET").is_none(), "no answer is made up");
}

pub(crate) fn a_second_signal_ends_at_once(engine: Engine) {
    let (replica, arrivals, _release) = held();
    let proxy = Proxy::start(
        engine,
        1,
        &format!("[drain]\ntimeout_ms = 600000\n{}", service("", &[("a", &replica)])),
    );
    let mut stuck = proxy.client();
    stuck.send(HELD);
    arrive(&arrivals);
    proxy.signal(Signal::TERM);
    // Both at once would be one signal to the kernel.
    poll("/readyz to answer 503", || (proxy.operator("/readyz").status == 503).then_some(()));
    proxy.signal(Signal::TERM);
    let ended = proxy.wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert!(stuck.answer_to("GET").is_none());
}

pub(crate) fn a_tunnel_lives_until_the_time_is_over(engine: Engine) {
    let replica = Backend::start(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
            while let Some(bytes) = peer.bytes() {
                peer.send(bytes);
            }
        }
    });
    let proxy =
        Proxy::start(engine, 1, &format!("[drain]\ntimeout_ms = 1500\n{}", service("", &[("a", &replica)])));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.answer().status, 101);
    proxy.signal(Signal::TERM);
    poll("/readyz to answer 503", || (proxy.operator("/readyz").status == 503).then_some(()));
    client.send("still there");
    assert_eq!(client.bytes(11), b"still there");
    let ended = proxy.wait();
    assert!(ended.status.success() && ended.log.contains("connections_cut=1"), "{}", ended.log);
    client.expect_end();
}
