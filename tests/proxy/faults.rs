//! Replicas that fail, at each moment of an exchange: what the client sees, how often replicas saw the request, what is
//! counted.

use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};

use crate::harness::backend::{Peer, Request, bound};
use crate::harness::clock::PATIENCE;
use crate::harness::{Backend, Client, End, Engine, Proxy, pause, service};

/// A replica's moments, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    BeforeReading,
    MidRequestHead,
    AfterRequestHead,
    MidRequestBody,
    MidAnswerHead,
    AfterAnswerHead,
    MidAnswerBody,
    AfterAnswer,
}

use Moment::*;

const MOMENTS: [Moment; 8] = [
    BeforeReading,
    MidRequestHead,
    AfterRequestHead,
    MidRequestBody,
    MidAnswerHead,
    AfterAnswerHead,
    MidAnswerBody,
    AfterAnswer,
];

/// What a replica does at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Close,
    Reset,
    Stall,
}

/// Plays an exchange up to the moment and acts.
fn play(peer: &mut Peer, moment: Moment, act: Act, with_body: bool) {
    play_until(peer, moment, with_body);
    match act {
        Act::Close => {}
        Act::Reset => peer.reset(),
        Act::Stall => peer.stall(),
    }
}

fn play_until(peer: &mut Peer, moment: Moment, with_body: bool) -> Option<()> {
    match moment {
        BeforeReading => return None,
        MidRequestHead => return peer.at_least(1),
        AfterRequestHead => return peer.head().map(drop),
        MidRequestBody if with_body => {
            peer.head()?;
            return peer.at_least(1);
        }
        _ => _ = peer.request()?,
    }
    peer.send("HTTP/1.1 200 OK\r\nX-Replica: faulty\r\nContent-Le")?;
    if moment > MidAnswerHead {
        peer.send("ngth: 10\r\n\r\n")?;
    }
    if moment > AfterAnswerHead {
        peer.send("01234")?;
    }
    if moment > MidAnswerBody {
        peer.send("56789")?;
    }
    Some(())
}

type Script = Box<dyn Fn(&mut Peer) + Send>;

/// Two replicas that share a list of faults: each connection plays the next one, and answers where none is left.
struct Faulty {
    replicas: [Backend; 2],
    faults: Sender<Script>,
    seen: Receiver<()>,
    proxy: Proxy,
}

impl Faulty {
    fn start(engine: Engine, keys: &str) -> Faulty {
        let (faults, script) = unbounded::<Script>();
        let (report, seen) = unbounded();
        let replicas = [(); 2].map(|()| {
            let (script, report) = (script.clone(), report.clone());
            Backend::start(move |peer| {
                // So that each attempt is known to have sent something.
                if !peer.has_bytes() {
                    return;
                }
                let _ = report.send(());
                match script.try_recv() {
                    Ok(fault) => fault(peer),
                    Err(_) => peer.echo_all("sound"),
                }
            })
        });
        let keys = format!("pool = {{ idle_max = 0 }}\n{keys}");
        let proxy = Proxy::start(engine, 1, &service(&keys, &[("a", &replicas[0]), ("b", &replicas[1])]));
        Faulty { replicas, faults, seen, proxy }
    }

    fn fault(&self, script: impl Fn(&mut Peer) + Send + 'static) {
        self.faults.send(Box::new(script)).expect("the replicas are there");
    }

    /// Sends one request on a connection of its own and says how that went.
    fn exchange(&self, request: &Sent) -> Outcome {
        let before = self.proxy.metrics();
        let mut client = self.proxy.client();
        client.send(request.bytes());
        let end = match client.answer_to(request.method) {
            Some(answer) if answer.end == End::Cut => Seen::Cut,
            Some(answer) => Seen::Status(answer.status),
            None => Seen::Nothing,
        };
        let after = self.proxy.metrics();
        let delta = |name: &str| after.of(name) - before.of(name);
        Outcome {
            end,
            attempts: self.seen.try_iter().count(),
            retries: delta("retries_total"),
            aborted: delta("aborted_after_head_total"),
            first_byte: delta("timeouts_total{phase=\"first_byte\"}"),
            between_bytes: delta("timeouts_total{phase=\"between_bytes\"}"),
        }
    }
}

/// What a client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Status(u16),
    /// An answer that breaks off.
    Cut,
    /// The connection's end in place of an answer.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    end: Seen,
    /// How many replicas' connections saw any of the request.
    attempts: usize,
    retries: u64,
    aborted: u64,
    first_byte: u64,
    between_bytes: u64,
}

/// One attempt, nothing counted.
const PLAIN: Outcome =
    Outcome { end: Seen::Status(200), attempts: 1, retries: 0, aborted: 0, first_byte: 0, between_bytes: 0 };
const RETRIED: Outcome = Outcome { attempts: 2, retries: 1, ..PLAIN };
const FAILED: Outcome = Outcome { end: Seen::Status(502), ..PLAIN };
const TOO_SLOW: Outcome = Outcome { end: Seen::Status(504), first_byte: 1, ..PLAIN };
const CUT: Outcome = Outcome { end: Seen::Cut, aborted: 1, ..PLAIN };
const CUT_AS_TOO_SLOW: Outcome = Outcome { between_bytes: 1, ..CUT };

#[derive(Clone, Copy, Debug)]
struct Sent {
    method: &'static str,
    body: Option<&'static str>,
}

impl Sent {
    fn bytes(&self) -> String {
        let Sent { method, body } = self;
        let length = body.map_or(String::new(), |body| format!("Content-Length: {}\r\n", body.len()));
        format!("{method} /{method} HTTP/1.1\r\nHost: a\r\n{length}\r\n{}", body.unwrap_or_default())
    }

    fn has_body(&self) -> bool {
        self.body.is_some_and(|body| !body.is_empty())
    }
}

const REQUESTS: [Sent; 9] = [
    Sent { method: "GET", body: None },
    Sent { method: "HEAD", body: None },
    Sent { method: "OPTIONS", body: None },
    Sent { method: "PUT", body: Some("") },
    Sent { method: "PUT", body: Some("a body of some length") },
    Sent { method: "DELETE", body: None },
    Sent { method: "DELETE", body: Some("a body of some length") },
    Sent { method: "POST", body: Some("") },
    Sent { method: "POST", body: Some("a body of some length") },
];

/// What has to come of a first attempt that fails in this way, when the replicas are sound afterwards.
fn expected(request: &Sent, moment: Moment, act: Act) -> Outcome {
    let complete = if request.method == "HEAD" { AfterAnswerHead } else { AfterAnswer };
    match (moment, act) {
        _ if moment >= complete => PLAIN,
        (AfterAnswerHead | MidAnswerBody, Act::Stall) => CUT_AS_TOO_SLOW,
        (AfterAnswerHead | MidAnswerBody, _) => CUT,
        (_, Act::Stall) => TOO_SLOW,
        _ if request.method == "POST" => FAILED,
        _ => RETRIED,
    }
}

/// Plays an act at each moment to each method. One program for each method, so that its counters are its own.
fn each_method_meets(engine: Engine, act: Act, timeouts_ms: u32) {
    let keys = format!(
        "timeouts = {{ first_byte_ms = {timeouts_ms}, between_bytes_ms = {timeouts_ms} }}\n\
         retries = {{ budget_burst = 100 }}"
    );
    let play_all = |request: &Sent| {
        let faulty = Faulty::start(engine, &keys);
        for moment in MOMENTS {
            if moment == MidRequestBody && !request.has_body() {
                continue;
            }
            let with_body = request.has_body();
            faulty.fault(move |peer| play(peer, moment, act, with_body));
            assert_eq!(
                faulty.exchange(request),
                expected(request, moment, act),
                "{act:?} {moment:?} of {request:?}"
            );
        }
    };
    thread::scope(|scope| {
        let all = REQUESTS.map(|request| scope.spawn(move || play_all(&request)));
        let failed = all.into_iter().map(|one| one.join()).filter(Result::is_err).count();
        assert_eq!(failed, 0, "methods that failed; each says why above");
    });
}

pub(crate) fn each_method_meets_a_close_at_each_moment(engine: Engine) {
    each_method_meets(engine, Act::Close, 20_000);
}

pub(crate) fn each_method_meets_a_reset_at_each_moment(engine: Engine) {
    each_method_meets(engine, Act::Reset, 20_000);
}

pub(crate) fn each_method_meets_a_stall_at_each_moment(engine: Engine) {
    each_method_meets(engine, Act::Stall, 1_000);
}

/// The first of 100 keys whose replica is `name`.
fn key_of(proxy: &Proxy, name: &str) -> String {
    (0..100)
        .map(|key| format!("/{key}"))
        .find(|path| proxy.get(path).replica() == name)
        .unwrap_or_else(|| panic!("no key goes to {name}"))
}

pub(crate) fn a_refused_connection_is_tried_elsewhere_whatever_the_method(engine: Engine) {
    for request in [Sent { method: "GET", body: None }, Sent { method: "POST", body: Some("body") }] {
        let mut a = Backend::echo("a");
        let b = Backend::echo("b");
        let proxy = Proxy::start(engine, 1, &service("pool = { idle_max = 0 }", &[("a", &a), ("b", &b)]));
        let path = key_of(&proxy, "a");
        a.go_down();
        let mut client = proxy.client();
        let bytes = request.bytes().replacen(&format!("/{}", request.method), &path, 1);
        client.send(&bytes);
        assert_eq!(client.answer().replica(), "b", "{request:?}");
        let metrics = proxy.metrics();
        assert_eq!((metrics.of("retries_total"), metrics.of("upstream_connect_failures_total")), (1, 1));
        // Its replica is down now and not picked any more.
        client.send(&bytes);
        assert_eq!(client.answer().replica(), "b", "{request:?}");
        assert_eq!(proxy.metrics().of("retries_total"), 1, "{request:?}");
    }
    let dead = Backend::down(|_| {});
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &dead)]));
    for asked in ["finds out", "knows"] {
        let answer = proxy.get("/");
        assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")), "a request that {asked}");
    }
    let metrics = proxy.metrics();
    let counts = ["upstream_connect_failures_total", "retries_total"].map(|name| metrics.of(name));
    assert_eq!(counts, [1, 0], "there was nobody left to try again with");
}

pub(crate) fn a_connection_that_is_not_accepted_times_out(engine: Engine) {
    // A queue of one, which the test fills itself: the kernel drops what else knocks.
    let full = bound(([127, 0, 0, 1], 0).into());
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _fills = Client::connect(address);
    let services = format!(
        "[[service]]\nreplicas = {{ addresses = [\"{address}\"] }}\ntimeouts = {{ connect_ms = 500 }}\n\
         retries = {{ retries_max = 0 }}"
    );
    let proxy = Proxy::start(engine, 1, &services);
    assert_eq!(proxy.get("/").status, 504);
    let metrics = proxy.metrics();
    assert_eq!((metrics.of("timeouts_total{phase=\"connect\"}"), metrics.of("retries_total")), (1, 0));
    // With another replica beside it any request goes there, since none of its bytes was sent.
    let sound = Backend::echo("sound");
    let services = format!(
        "[[service]]\nreplicas = {{ addresses = [\"{address}\", \"{}\"] }}\ntimeouts = {{ connect_ms = 500 }}\n",
        sound.address
    );
    let proxy = Proxy::start(engine, 1, &services);
    let timed_out = || proxy.metrics().of("timeouts_total{phase=\"connect\"}");
    let mut client = proxy.client();
    for key in 0.. {
        assert!(key < 100, "no key of 100 goes to the full replica");
        client.send(format!("POST /{key} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"));
        assert_eq!(client.answer().replica(), "sound", "key {key}");
        if timed_out() > 0 {
            break;
        }
    }
    assert_eq!((timed_out(), proxy.metrics().of("retries_total")), (1, 1));
}

pub(crate) fn a_cut_is_visible_in_every_framing(engine: Engine) {
    let faulty = Faulty::start(engine, "");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let until_close = "HTTP/1.1 200 OK\r\n\r\nhello";
    let cases = [
        ("chunked, closed, to 1.1", "1.1", chunked, false),
        ("chunked, reset, to 1.1", "1.1", chunked, true),
        ("chunked, closed, to 1.0", "1.0", chunked, false),
        (
            "broken chunks, to 1.1",
            "1.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloworld",
            false,
        ),
        ("until close, reset, to 1.1", "1.1", until_close, true),
        ("until close, reset, to 1.0", "1.0", until_close, true),
    ];
    for (name, version, answer, reset) in cases {
        let before = faulty.proxy.metrics().of("aborted_after_head_total");
        faulty.fault(move |peer| {
            if peer.request().is_some() {
                peer.send(answer);
                // The proxy is to have passed it on when the end comes.
                pause(Duration::from_millis(30));
                if reset {
                    peer.reset();
                }
            }
        });
        let mut client = faulty.proxy.client();
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.end), (200, End::Cut), "{name}");
        assert_eq!(faulty.proxy.metrics().of("aborted_after_head_total") - before, 1, "{name}");
    }
}

pub(crate) fn an_answer_that_is_no_http_is_a_fault(engine: Engine) {
    let faulty = Faulty::start(engine, "retries = { budget_burst = 100 }");
    let answers = [
        "220 mail.example ready\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: gzip, chunked, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
        // One reader takes the second head for the body of the first.
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 38\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: unasked\r\nConnection: upgrade\r\n\r\n",
    ];
    for answer in answers {
        for (request, expected) in [(REQUESTS[0], RETRIED), (REQUESTS[8], FAILED)] {
            faulty.fault(move |peer| {
                if peer.request().is_some() {
                    peer.send(answer);
                    peer.stall();
                }
            });
            assert_eq!(faulty.exchange(&request), expected, "{answer:?} to {request:?}");
        }
    }
    // Interim answers without end are no answer.
    faulty.fault(|peer| while peer.send("HTTP/1.1 103 Early Hints\r\n\r\n").is_some() {});
    assert_eq!(faulty.exchange(&REQUESTS[8]), FAILED);
}

pub(crate) fn retries_end_after_two_and_with_the_budget(engine: Engine) {
    let close = |peer: &mut Peer| play(peer, AfterRequestHead, Act::Close, false);
    let faulty = Faulty::start(engine, "retries = { budget_burst = 1, budget_percent = 0 }");
    let get = &REQUESTS[0];
    (0..3).for_each(|_| faulty.fault(close));
    let given_up = Outcome { end: Seen::Status(502), attempts: 3, retries: 2, ..PLAIN };
    assert_eq!(faulty.exchange(get), given_up, "three attempts at most");
    // The second retry has spent the budget, but a first one is free.
    (0..2).for_each(|_| faulty.fault(close));
    let refused = Outcome { end: Seen::Status(502), attempts: 2, retries: 1, ..PLAIN };
    assert_eq!(faulty.exchange(get), refused, "the budget is spent");
    assert_eq!(faulty.proxy.metrics().of("retries_refused_total"), 1);
    faulty.fault(close);
    assert_eq!(faulty.exchange(get), RETRIED, "the first retry is free");
    // Nor is one after an interim answer: its replica did begin to answer.
    faulty.fault(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 103 Early Hints\r\n\r\n");
        }
    });
    let over = Outcome { attempts: 1, retries: 0, ..refused };
    assert_eq!(faulty.exchange(get), over, "the budget is spent, and this one is not free");
    let none = Faulty::start(engine, "retries = { retries_max = 0 }");
    none.fault(close);
    assert_eq!(none.exchange(get), FAILED, "retries are switched off");
}

/// A pooled connection that ends says little of its replica; the refusal that follows does. Neither spends the budget.
pub(crate) fn a_replica_that_dies_under_its_pool_costs_no_budget(engine: Engine) {
    let (arrived, arrivals) = unbounded();
    let mut a = Backend::start(move |peer| {
        while let Some(request) = peer.request() {
            if request.line().contains("?last") {
                let _ = arrived.send(());
            } else if peer.answer("X-Replica: a\r\n", "").is_none() {
                return;
            }
        }
    });
    let b = Backend::echo("b");
    let keys = "retries = { budget_burst = 0, budget_percent = 0 }";
    let proxy = Proxy::start(engine, 1, &service(keys, &[("a", &a), ("b", &b)]));
    let path = key_of(&proxy, "a");
    let mut client = proxy.client();
    client.send(format!("GET {path}?last HTTP/1.1\r\nHost: a\r\n\r\n"));
    arrivals.recv_timeout(PATIENCE).expect("awaited: the request at the replica");
    a.go_down();
    assert_eq!(client.answer().replica(), "b");
    let metrics = proxy.metrics();
    assert_eq!((metrics.of("retries_total"), metrics.of("retries_refused_total")), (2, 0));
}

pub(crate) fn a_body_is_sent_again_whole_or_not_at_all(engine: Engine) {
    let faulty = Faulty::start(engine, "retries = { body_bytes_max = 20000 }");
    assert_eq!(faulty.replicas.len(), 2);
    let body: String = (0..4_000).map(|number| format!("{number:05}")).collect();
    let sized = |length: usize| {
        format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}", &body[..length])
    };
    let long = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20001\r\n\r\n{body}x");
    let chunks: String = body.as_bytes().chunks(999).fold(String::new(), |chunks, part| {
        chunks + &format!("{:x}\r\n{}\r\n", part.len(), str::from_utf8(part).unwrap())
    });
    let chunked = format!("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let after_all = |peer: &mut Peer| play(peer, MidAnswerHead, Act::Close, true);
    let before_body = |peer: &mut Peer| play(peer, MidRequestBody, Act::Reset, true);
    for (name, request, expected) in [
        ("of a length", sized(20_000), Some(&body[..20_000])),
        ("short", sized(1), Some(&body[..1])),
        ("chunked", chunked, Some(&body[..])),
        ("too long to keep", long, None),
    ] {
        for fault in [after_all, before_body] {
            faulty.fault(fault);
            let mut client = faulty.proxy.client();
            client.send(&request);
            let answer = client.answer();
            match expected {
                Some(body) => {
                    let text = answer.text();
                    let (head, echoed) = text.split_once("\r\n\r\n").expect("the request, echoed");
                    assert_eq!((answer.status, echoed), (200, body), "{name}: {head}");
                }
                None => assert_eq!(answer.status, 502, "{name}"),
            }
            assert_eq!(faulty.seen.try_iter().count(), 1 + usize::from(expected.is_some()), "{name}");
        }
    }
}

pub(crate) fn a_body_under_way_is_sent_again_and_goes_on(engine: Engine) {
    let faulty = Faulty::start(engine, "");
    let (noticed, notice) = unbounded();
    faulty.fault(move |peer| {
        peer.head();
        peer.at_least(5);
        peer.reset();
        let _ = noticed.send(());
    });
    let mut client = faulty.proxy.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    notice.recv_timeout(PATIENCE).expect("awaited: the first replica to fail");
    faulty.seen.recv_timeout(PATIENCE).expect("the first attempt");
    faulty.seen.recv_timeout(PATIENCE).expect("awaited: the second attempt, before the body has ended");
    client.send("6\r\n world\r\n0\r\n\r\n");
    let text = client.answer().text();
    assert!(text.ends_with("\r\n\r\nhello world"), "{text}");
    assert_eq!(faulty.proxy.metrics().of("retries_total"), 1);
}

pub(crate) fn an_early_answer_reaches_a_client_that_still_sends(engine: Engine) {
    let replica = Backend::start(|peer| {
        if peer.head().is_some() {
            // What it does not read makes its close a reset.
            peer.send(
                "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge",
            );
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let length = 3_000_000;
    for round in 0..20 {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; 500_000]);
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.text().as_str(), answer.end),
            (413, "large", End::Complete),
            "{round}"
        );
        assert_eq!(answer.field("Connection"), Some("close"), "the body's rest is no request");
    }
}

pub(crate) fn a_client_that_leaves_lets_its_replica_go(engine: Engine) {
    let (left, leaves) = unbounded();
    let replica = Backend::start(move |peer| {
        if peer.head().is_some_and(|request| request.line().starts_with("PUT")) {
            peer.stall();
        } else {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            while peer.send([0; 65536]).is_some() {}
        }
        let _ = left.send(());
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut download = proxy.client();
    download.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(download.head().expect("a head").status, 200);
    drop(download);
    leaves.recv_timeout(PATIENCE).expect("awaited: the end of the replica's connection, after a download");
    let mut upload = proxy.client();
    upload.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n01234");
    upload.shut();
    leaves.recv_timeout(PATIENCE).expect("awaited: the end of the replica's connection, after an upload");
    let metrics = proxy.metrics();
    let counts =
        ["client_aborts_total", "aborted_after_head_total", "retries_total"].map(|name| metrics.of(name));
    assert_eq!(counts, [2, 0, 0], "the clients' doing, not the replica's");
}

pub(crate) fn a_slow_answer_arrives_whole(engine: Engine) {
    let faulty = Faulty::start(engine, "timeouts = { between_bytes_ms = 2000 }");
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    faulty.fault(move |peer| {
        let _: Option<Request> = peer.request();
        for byte in answer.as_bytes() {
            pause(Duration::from_millis(3));
            peer.send([*byte]);
        }
    });
    let mut client = faulty.proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.text().as_str(), answer.end), ("hello world", End::Complete));
    assert_eq!(faulty.proxy.metrics().timeouts(), 0);
}
