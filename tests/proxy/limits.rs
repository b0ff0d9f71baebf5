//! How many connections there may be, and what becomes of those beyond.

use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::proxy::Attempt;
use crate::harness::{Answer, Backend, Client, Engine, Proxy, Stopwatch, poll, service};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// The connections beyond its limit that a core tells so.
const SURPLUS: usize = 128;

/// A proxy of one core with these limits of clients.
fn limited(engine: Engine, limits: &str, replica: &Backend) -> Proxy {
    Proxy::start(engine, 1, &format!("[client]\n{limits}\n{}", service("", &[("a", replica)])))
}

/// What a request is answered on this connection.
fn ask(client: &mut Client) -> Answer {
    client.send(REQUEST);
    client.answer()
}

/// Asserts that a connection is served, and stays open.
fn assert_served(client: &mut Client) {
    let answer = ask(client);
    assert_eq!((answer.status, answer.field("Connection")), (200, None), "{answer:?}");
}

fn assert_refused(answer: &Answer) {
    let fields = ["Retry-After", "Connection", "Cache-Control"].map(|name| answer.field(name));
    assert_eq!((answer.status, fields), (503, [Some("1"), Some("close"), Some("no-store")]), "{answer:?}");
    assert!(answer.field("Date").is_some() && answer.field("X-Replica").is_none(), "{answer:?}");
}

fn refused(proxy: &Proxy, limit: &str) -> u64 {
    proxy.metrics().of(&format!("connections_refused_total{{limit=\"{limit}\"}}"))
}

fn await_open(proxy: &Proxy, count: u64) {
    let open = || (proxy.metrics().of("connections_open{core=\"0\"}") == count).then_some(());
    poll(&format!("{count} connections to be open"), open);
}

/// Connections that were told, and that have not ended: each is read from for two seconds after its answer.
fn fill_surplus(connect: impl Fn() -> Client) -> Vec<Client> {
    let mut surplus: Vec<Client> = (0..SURPLUS).map(|_| connect()).collect();
    surplus.iter_mut().for_each(|client| client.send(REQUEST));
    surplus.iter_mut().for_each(|client| assert_refused(&client.answer()));
    surplus
}

pub(crate) fn connections_beyond_the_limit_are_told_so(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = limited(engine, "connections_max = 2", &replica);
    let mut served = [proxy.client(), proxy.client()];
    served.iter_mut().for_each(assert_served);
    // What is sent, the media type, what stands in the body.
    let long = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n{}", "x".repeat(500_000));
    let cases = [
        (REQUEST, "text/plain; charset=utf-8", "503 Service Unavailable\n"),
        ("GET / HTTP/1.1\r\n", "text/plain; charset=utf-8", "503 Service Unavailable\n"),
        ("no HTTP at all\r\n\r\n", "text/plain; charset=utf-8", "503 Service Unavailable\n"),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "text/plain; charset=utf-8", ""),
        (&long, "text/plain; charset=utf-8", "503 Service Unavailable\n"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nX-Request-Id: a-42\r\n\r\n",
            "application/problem+json",
            "\"request_id\":\"a-42\"",
        ),
    ];
    for (request, media_type, body) in &cases {
        let mut client = proxy.client();
        client.send(request);
        let method = if request.starts_with("HEAD") { "HEAD" } else { "GET" };
        let answer = client.answer_to(method).expect("an answer");
        assert_refused(&answer);
        assert_eq!(answer.field("Content-Type"), Some(*media_type), "{answer:?}");
        assert!(answer.text().contains(body), "{answer:?}");
        client.expect_end();
    }
    served.iter_mut().for_each(assert_served);
    let metrics = proxy.metrics();
    let told = cases.len() as u64;
    assert_eq!(metrics.of("connections_open{core=\"0\"}"), 2);
    assert_eq!(metrics.of("connections_accepted_total"), 2 + told);
    assert_eq!(refused(&proxy, "connections_max"), told);
    assert_eq!(refused(&proxy, "connections_per_address"), 0);
    assert_eq!((metrics.of("answers_total{class=\"5xx\"}"), metrics.of("requests_total")), (told, 4 + told));
    assert_eq!(metrics.of("bad_requests_total"), 0);
}

pub(crate) fn a_place_that_is_freed_is_used_again(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = limited(engine, "connections_max = 1", &replica);
    for _ in 0..3 {
        let mut served = proxy.client();
        assert_served(&mut served);
        assert_refused(&ask(&mut proxy.client()));
        assert_served(&mut served);
        drop(served);
        await_open(&proxy, 0);
    }
    assert_eq!(refused(&proxy, "connections_max"), 3);
}

pub(crate) fn a_silent_connection_beyond_the_limit_is_closed_after_a_second(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = limited(engine, "connections_max = 1", &replica);
    let mut served = proxy.client();
    assert_served(&mut served);
    let watch = Stopwatch::start();
    let mut silent = proxy.client();
    silent.expect_end();
    let elapsed = watch.elapsed();
    assert!(elapsed >= Duration::from_millis(950) && elapsed < Duration::from_secs(6), "{elapsed:?}");
    assert_served(&mut served);
    let metrics = proxy.metrics();
    assert_eq!((refused(&proxy, "connections_max"), metrics.of("answers_total{class=\"5xx\"}")), (1, 0));
}

pub(crate) fn connections_beyond_the_surplus_wait(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = limited(engine, "connections_max = 1", &replica);
    let mut served = proxy.client();
    assert_served(&mut served);
    let _surplus = fill_surplus(|| proxy.client());
    let mut waiting = [proxy.client(), proxy.client()];
    waiting.iter_mut().for_each(|client| client.send(REQUEST));
    for client in &mut waiting {
        assert!(!client.hears_within(Duration::from_millis(100)), "it is taken from the queue");
    }
    drop(served);
    let [mut first, mut second] = waiting;
    assert_eq!(first.answer().status, 200, "there is a place");
    assert_refused(&second.answer());
    assert_eq!(refused(&proxy, "connections_max"), SURPLUS as u64 + 1);
}

pub(crate) fn an_address_has_its_connections_over_all_cores(engine: Engine) {
    const LIMIT: usize = 8;
    let replica = Backend::echo("a");
    let limits = format!("[client]\nconnections_per_address = {LIMIT}\n");
    let proxy = Proxy::start(engine, 2, &(limits + &service("", &[("a", &replica)])));
    let from = |host: u8| Client::connect_from(IpAddr::from([127, 0, 0, host]), proxy.http);
    let mut served: Vec<Client> = (0..LIMIT).map(|_| from(1)).collect();
    served.iter_mut().for_each(assert_served);
    for _ in 0..4 {
        assert_refused(&ask(&mut from(1)));
    }
    // Others have their own, each as many.
    let mut others: Vec<Client> = (0..LIMIT).map(|_| from(2)).collect();
    others.iter_mut().for_each(assert_served);
    assert_refused(&ask(&mut from(2)));
    assert_served(&mut from(3));
    assert_eq!((refused(&proxy, "connections_per_address"), refused(&proxy, "connections_max")), (5, 0));
    // Whichever core had it: the place of one that leaves is the next one's.
    drop(served.pop());
    let next = poll("a place to be free", || {
        let mut next = from(1);
        (ask(&mut next).status == 200).then_some(next)
    });
    assert_refused(&ask(&mut from(1)));
    drop(next);
}

pub(crate) fn a_trusted_peer_may_have_as_many_as_it_likes(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = limited(engine, "connections_per_address = 1\ntrusted = [\"127.0.0.2\"]", &replica);
    let from = |host: u8| Client::connect_from(IpAddr::from([127, 0, 0, host]), proxy.http);
    let mut proxied = [from(2), from(2), from(2)];
    proxied.iter_mut().for_each(assert_served);
    let mut served = from(1);
    assert_served(&mut served);
    assert_refused(&ask(&mut from(1)));
}

pub(crate) fn an_address_of_ipv6_is_limited_as_well(engine: Engine) {
    let Ok(probe) = TcpListener::bind("[::1]:0") else {
        println!("skipped: this machine has no ::1");
        return;
    };
    drop(probe);
    let replica = Backend::echo("a");
    let head = format!("engine = \"{}\"\n[listen]\nhttp = \"[::1]:0\"\n[admin]\n", engine.0);
    let limits = "listen = \"127.0.0.1:0\"\n[client]\nconnections_per_address = 1\n";
    let text = head + limits + &service("", &[("a", &replica)]);
    let proxy = Attempt::with_file(engine, &text).outcome().expect("it serves");
    let mut served = proxy.client();
    assert_served(&mut served);
    assert_refused(&ask(&mut proxy.client()));
    assert_eq!(refused(&proxy, "connections_per_address"), 1);
}

pub(crate) fn an_address_that_fills_the_surplus_keeps_nobody_waiting(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = limited(engine, "connections_per_address = 1", &replica);
    let from = |host: u8| Client::connect_from(IpAddr::from([127, 0, 0, host]), proxy.http);
    let mut served = from(1);
    assert_served(&mut served);
    let _surplus = fill_surplus(|| from(1));
    let mut beyond = from(1);
    beyond.expect_end();
    assert_served(&mut from(2));
    assert_served(&mut served);
    assert_eq!(refused(&proxy, "connections_per_address"), SURPLUS as u64 + 1);
}

pub(crate) fn a_drain_waits_for_those_that_are_told(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = limited(engine, "connections_max = 1", &replica);
    let mut served = proxy.client();
    assert_served(&mut served);
    let (mut silent, mut late) = (proxy.client(), proxy.client());
    poll("both to be refused", || (refused(&proxy, "connections_max") == 2).then_some(()));
    let watch = Stopwatch::start();
    proxy.signal(Signal::TERM);
    served.expect_end();
    assert_refused(&ask(&mut late));
    late.expect_end();
    drop(late);
    silent.expect_end();
    let ended = proxy.wait();
    assert!(ended.status.success() && ended.log.contains("connections_cut=0"), "{}", ended.log);
    assert!(watch.elapsed() < Duration::from_secs(10), "it waited for {:?}", watch.elapsed());
}
