//! The admin listener: connections that are bounded in number, in time and in memory.
//!
//! Nobody can keep an operator out by holding connections. A connection has a time for its first head and another between
//! two requests, answers that nobody reads included; and once there are as many connections as may be, a new one takes the
//! place of the oldest that is not being answered. What is being answered has bounds of its own: the time that a body may
//! take, and the queue of calls.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

/// The buffer of a connection, in bytes; a longer head is refused with 431. A preview may name a thousand replicas.
const BUFFER_BYTES_MAX: usize = 128 * 1024;
/// How long to wait after a connection could not be accepted: descriptors may be short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What a client of the admin interface may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AdminLimits {
    /// Connections at a time.
    pub(super) connections_max: usize,
    /// From the beginning of a connection to the end of its first head.
    pub(super) head: Duration,
    /// From one answer's beginning to the end of the next request's head.
    pub(super) idle: Duration,
}

impl Default for AdminLimits {
    /// Idle connections outlast the minute after which metrics are often asked for again.
    fn default() -> Self {
        AdminLimits { connections_max: 256, head: Duration::from_secs(10), idle: Duration::from_secs(75) }
    }
}

/// Answers on this listener for as long as it is polled. Connections end with the future.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: AdminLimits) {
    let mut connections =
        Connections { limits, tasks: JoinSet::new(), by_age: VecDeque::new(), answered: Arc::default() };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.make_room().await;
                connections.begin(stream, router.clone());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of an operator");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Connections {
    limits: AdminLimits,
    tasks: JoinSet<()>,
    /// Those that are open, the oldest first; ended ones until the next is to begin.
    by_age: VecDeque<Open>,
    /// Told whenever a request is answered.
    answered: Arc<Notify>,
}

struct Open {
    task: AbortHandle,
    is_answering: watch::Receiver<bool>,
}

impl Connections {
    /// Returns once there may be another connection.
    async fn make_room(&mut self) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.by_age.retain(|open| !open.task.is_finished());
            if self.by_age.len() < self.limits.connections_max {
                return;
            }
            let oldest = self.by_age.iter().position(|open| !*open.is_answering.borrow());
            if let Some(open) = oldest.and_then(|index| self.by_age.remove(index)) {
                open.task.abort();
                return;
            }
            tokio::select! {
                _ = self.tasks.join_next() => {}
                () = self.answered.notified() => {}
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, router: Router) {
        let (answering, is_answering) = watch::channel(false);
        let answering = Answering { answering: Arc::new(answering), answered: self.answered.clone() };
        let task = self.tasks.spawn(connection(stream, router, answering, is_answering.clone(), self.limits));
        self.by_age.push_back(Open { task, is_answering });
    }
}

/// One connection, until its client or its patience ends it.
async fn connection(
    stream: TcpStream,
    router: Router,
    answering: Answering,
    is_answering: watch::Receiver<bool>,
    limits: AdminLimits,
) {
    // Answers are written whole; a failure to say so makes them no worse than slower.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, guard) = (router.call(request), answering.clone().begin());
        async move {
            let answer = answer.await?;
            // The body goes once its last bytes are on their way, and the guard with it: an answer is not cut to make room.
            Ok::<_, Infallible>(answer.map(|body| {
                body.map_err(move |error| {
                    let _ = &guard;
                    error
                })
            }))
        }
    });
    let connection =
        http1::Builder::new().max_buf_size(BUFFER_BYTES_MAX).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // That a client breaks off is nothing to report.
        _ = connection => {}
        () = patience(is_answering, limits) => {}
    }
}

/// Ends once a client has let its time pass.
async fn patience(mut is_answering: watch::Receiver<bool>, limits: AdminLimits) {
    let mut time = limits.head;
    loop {
        // A quick answer may have come and gone before this look, the first one included.
        if is_answering.has_changed().unwrap_or(false) {
            time = limits.idle;
        }
        let is_busy = *is_answering.borrow_and_update();
        let changed = is_answering.changed();
        let in_time = match is_busy {
            true => changed.await.is_ok(),
            false => tokio::time::timeout(time, changed).await.is_ok_and(|changed| changed.is_ok()),
        };
        if !in_time {
            return;
        }
        time = limits.idle;
    }
}

/// Whether a request is being answered, for those who watch.
#[derive(Clone)]
struct Answering {
    answering: Arc<watch::Sender<bool>>,
    answered: Arc<Notify>,
}

/// Until its end, a request is being answered.
struct Guard(Answering);

impl Answering {
    fn begin(self) -> Guard {
        self.answering.send_replace(true);
        Guard(self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.answering.send_replace(false);
        self.0.answered.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);
    const SOON: Duration = Duration::from_millis(100);
    /// How long the test itself waits for what has to come.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// What `/held` tells and waits for.
    #[derive(Default)]
    struct Stage {
        begun: Notify,
        release: Notify,
    }

    fn limits(connections_max: usize, head: Duration, idle: Duration) -> AdminLimits {
        AdminLimits { connections_max, head, idle }
    }

    /// Runs a test against a server: `/` answers at once, `/long` with more than sockets hold, `/held` after a notice.
    fn served<T: Future<Output = ()>>(limits: AdminLimits, test: impl FnOnce(SocketAddr, Arc<Stage>) -> T) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stage = Arc::new(Stage::default());
            let held = stage.clone();
            let router = Router::new()
                .route("/", get(|| async { "ok" }))
                .route("/long", get(|| async { "x".repeat(64 * 1024 * 1024) }))
                .route(
                    "/held",
                    get(move || async move {
                        held.begun.notify_one();
                        held.release.notified().await;
                        "held"
                    }),
                );
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::select! {
                () = serve(listener, router, limits) => unreachable!("it never ends"),
                done = tokio::time::timeout(PATIENCE, test(address, stage)) => done.unwrap(),
            }
        });
    }

    async fn connected(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Waits for a whole answer that ends with these bytes.
    async fn answer(stream: &mut TcpStream, end: &str) {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "{}", String::from_utf8_lossy(&text));
        }
        assert!(text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&text));
    }

    /// Waits for the end of a connection, whose last bytes may be lost with it.
    async fn ended(mut stream: TcpStream) -> usize {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        rest.len()
    }

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn a_head_that_does_not_come_ends_its_connection() {
        served(limits(9, SOON, NEVER), async |address, _| {
            for begun in [&b""[..], b"GET / HTTP/1.1\r\nHost:"] {
                assert_eq!(ended(connected(address, begun).await).await, 0);
            }
        });
    }

    #[test]
    fn an_idle_connection_ends_and_so_does_one_whose_answer_nobody_reads() {
        served(limits(9, NEVER, SOON), async |address, _| {
            let mut stream = connected(address, ASK).await;
            answer(&mut stream, "ok").await;
            assert_eq!(ended(stream).await, 0);
            let unread = connected(address, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
            tokio::time::sleep(4 * SOON).await;
            assert!(ended(unread).await < 64 * 1024 * 1024, "it was cut");
        });
    }

    #[test]
    fn an_answer_that_came_and_went_before_the_first_look_was_an_answer() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (answering, is_answering) = watch::channel(false);
            answering.send_replace(true);
            answering.send_replace(false);
            let ends = patience(is_answering, limits(9, NEVER, SOON));
            tokio::time::timeout(PATIENCE, ends).await.expect("the idle time ends it");
        });
    }

    #[test]
    fn an_answer_that_takes_long_is_waited_for() {
        served(limits(9, SOON, SOON), async |address, stage| {
            let mut stream = connected(address, b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
            tokio::time::sleep(4 * SOON).await;
            stage.release.notify_one();
            answer(&mut stream, "held").await;
        });
    }

    #[test]
    fn many_that_hold_connections_keep_nobody_out() {
        served(limits(4, NEVER, NEVER), async |address, stage| {
            let mut held = connected(address, b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
            stage.begun.notified().await;
            let mut slow = Vec::new();
            for _ in 0..10 {
                slow.push(connected(address, b"GET / HTTP/1.1\r\n").await);
            }
            let mut operator = connected(address, ASK).await;
            answer(&mut operator, "ok").await;
            for stream in slow.drain(..8) {
                assert_eq!(ended(stream).await, 0, "the oldest made room");
            }
            stage.release.notify_one();
            answer(&mut held, "held").await;
            operator.write_all(ASK).await.unwrap();
            answer(&mut operator, "ok").await;
        });
    }

    #[test]
    fn where_all_are_being_answered_the_next_waits_for_one() {
        served(limits(1, NEVER, NEVER), async |address, stage| {
            let mut held = connected(address, b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
            stage.begun.notified().await;
            let mut next = connected(address, ASK).await;
            let waiting = tokio::time::timeout(SOON, next.readable()).await;
            assert!(waiting.is_err(), "there is no room yet");
            stage.release.notify_one();
            answer(&mut next, "ok").await;
            answer(&mut held, "held").await;
        });
    }
}
