//! Heartbeats: one request, or one connection, to one replica, with a deadline.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header;
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::control::machine::event::Probe;

/// How a heartbeat ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) answered: bool,
    /// Why not.
    pub(super) reason: String,
    /// How much later than the deadline this thread came to see that it had passed; [`Duration::MAX`] where nothing was
    /// asked at all.
    pub(super) lag: Duration,
}

impl Outcome {
    /// Of a heartbeat that failed for want of something that is not the replica's.
    pub(super) fn not_asked(reason: String) -> Self {
        Outcome { answered: false, reason, lag: Duration::MAX }
    }
}

/// Why a heartbeat was not answered.
enum Failure {
    /// The replica is to blame, as far as known.
    OfReplica(String),
    /// This process is: it has no descriptor, port or memory left.
    Own(String),
}

const USER_AGENT: &str = concat!("ringway/", env!("CARGO_PKG_VERSION"));

/// Sends one heartbeat. Each takes a connection of its own: one that is kept would show only that the connection lives.
pub(super) async fn beat(address: SocketAddr, probe: Probe, timeout: Duration) -> Outcome {
    let deadline = Instant::now() + timeout;
    let asked = async {
        match probe {
            Probe::Connect => connect(address).await.map(drop),
            Probe::Http { path } => ask(address, &path).await,
        }
    };
    match tokio::time::timeout_at(deadline, asked).await {
        Ok(Ok(())) => Outcome { answered: true, reason: String::new(), lag: Duration::ZERO },
        Ok(Err(Failure::OfReplica(reason))) => Outcome { answered: false, reason, lag: Duration::ZERO },
        Ok(Err(Failure::Own(reason))) => Outcome::not_asked(reason),
        Err(_) => Outcome {
            answered: false,
            reason: format!("no answer within {} ms", timeout.as_millis()),
            lag: Instant::now() - deadline,
        },
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    TcpStream::connect(address).await.map_err(|error| {
        let reason = format!("no connection: {error}");
        if is_own(&error) { Failure::Own(reason) } else { Failure::OfReplica(reason) }
    })
}

/// Whether a connection failed before the other side had any part in it.
fn is_own(error: &io::Error) -> bool {
    const OWN: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    Errno::from_io_error(error).is_some_and(|errno| OWN.contains(&errno))
}

/// Ok for an answer with a status from 200 to 399. Its body is not waited for.
async fn ask(address: SocketAddr, path: &str) -> Result<(), Failure> {
    let stream = connect(address).await?;
    // A heartbeat that waits for its own packet would measure the wrong thing.
    let _ = stream.set_nodelay(true);
    let broken = |error: hyper::Error| Failure::OfReplica(format!("no valid answer: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = hyper::Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::OfReplica(error.to_string()))?;
    let (mut answer, mut connection) = (pin!(sender.send_request(request)), pin!(connection));
    let mut open = true;
    let answer = loop {
        tokio::select! {
            answer = &mut answer => break answer,
            // It may end together with the answer, and its errors come with the answer.
            _ = &mut connection, if open => open = false,
        }
    };
    let answer = answer.map_err(broken)?;
    match answer.status().as_u16() {
        200..=399 => Ok(()),
        status => Err(Failure::OfReplica(format!("answered with {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    fn http() -> Probe {
        Probe::Http { path: "/heartbeat".into() }
    }

    /// A server that answers one request with `answer` and then closes, and what it was asked.
    async fn answered_with(answer: &'static str) -> (Outcome, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        };
        tokio::join!(beat(address, http(), PATIENCE), server)
    }

    #[test]
    fn an_answer_from_200_to_399_is_a_sign_of_life() {
        for (answer, alive) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf", true),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", false),
            ("nonsense\r\n\r\n", false),
            ("", false),
        ] {
            let (outcome, asked) = run(answered_with(answer));
            assert_eq!(outcome.answered, alive, "{answer:?}: {outcome:?}");
            assert_eq!(outcome.reason.is_empty(), alive, "{outcome:?}");
            assert!(asked.starts_with("GET /heartbeat HTTP/1.1\r\n"), "{asked}");
        }
    }

    #[test]
    fn what_this_process_lacks_is_not_held_against_the_replica() {
        for (errno, own) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOBUFS, true),
            (Errno::NOMEM, true),
            (Errno::ADDRNOTAVAIL, true),
            (Errno::CONNREFUSED, false),
            (Errno::TIMEDOUT, false),
            (Errno::HOSTUNREACH, false),
        ] {
            assert_eq!(is_own(&errno.into()), own, "{errno}");
        }
    }

    #[test]
    fn a_refused_connection_and_a_silent_server_are_told_apart() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            assert!(beat(address, Probe::Connect, PATIENCE).await.answered);
            let silent = beat(address, http(), Duration::from_millis(30)).await;
            assert_eq!((silent.answered, &*silent.reason), (false, "no answer within 30 ms"));
            drop(listener);
            let refused = beat(address, http(), PATIENCE).await;
            assert!(!refused.answered && refused.reason.contains("refused"), "{refused:?}");
            assert!(!beat(address, Probe::Connect, PATIENCE).await.answered);
        });
    }
}
