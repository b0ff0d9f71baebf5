//! Connections to an engine: over a socket of this machine, TCP, or TLS; each answer with a bound on its bytes.
//!
//! It stands below bollard in place of its own, for three reasons. bollard reads whole answers into memory, however long
//! they are. It writes no version of the interface into its paths, whatever it negotiated. And its stream of events does
//! not tell when the engine has begun to listen, which has to be before the containers are listed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use super::endpoint::Endpoint;
use super::tls::Tls;
use super::version::ApiVersion;
use crate::base::engine_address::EngineAddress;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// The most bytes of an answer: a listing of a thousand containers takes about 3 MiB.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// The most bytes of the logs that are asked for, of which the last lines are shown.
const LOGS_BYTES_MAX: u64 = 1 << 20;
/// The most bytes of a pull's progress.
const PULL_BYTES_MAX: u64 = 64 << 20;
/// How long a connection for one call may last, should nobody else end it.
const CALL_LASTS: Duration = Duration::from_secs(60);
/// How long one for a pull may.
const PULL_LASTS: Duration = Duration::from_secs(3_600);
/// After which silence the system asks whether a TCP peer still is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How to reach one engine.
pub(super) struct Transport {
    address: EngineAddress,
    tls: Option<Tls>,
    /// The version that was agreed on; none before that.
    spoken: ArcSwapOption<ApiVersion>,
    /// How often the engine has begun to send events.
    listening: watch::Sender<u64>,
}

impl Transport {
    /// # Errors
    /// When certificates cannot be read, in words for the operator.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let tls = match (&endpoint.certificates, &endpoint.address) {
            (Some(folder), EngineAddress::Tcp { host, .. }) => Some(Tls::new(folder, host)?),
            _ => None,
        };
        Ok(Transport {
            address: endpoint.address.clone(),
            tls,
            spoken: ArcSwapOption::empty(),
            listening: watch::Sender::new(0),
        })
    }

    /// The engine.
    pub(super) fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// The version that was agreed on.
    pub(super) fn spoken(&self) -> Option<ApiVersion> {
        self.spoken.load().as_deref().copied()
    }

    /// From now on all paths carry this version; with `None` no version.
    pub(super) fn speak(&self, version: Option<ApiVersion>) {
        self.spoken.store(version.map(Arc::new));
    }

    /// How often the engine has begun to send events.
    pub(super) fn listenings(&self) -> u64 {
        *self.listening.borrow()
    }

    /// Waits until it has begun once more than `listenings`.
    pub(super) async fn listening(&self, listenings: u64) {
        // The sender is this value's own.
        let _ = self.listening.subscribe().wait_for(|count| *count > listenings).await;
    }

    /// One call on a connection of its own.
    pub(super) async fn request(
        self: Arc<Self>,
        request: BollardRequest,
    ) -> Result<Response<Incoming>, Error> {
        let kind = Kind::of(request.uri().path());
        let stream = tokio::time::timeout(CONNECT, self.connect())
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no connection within 5 s")))
            .map_err(|err| Error::IOError { err })?;
        let io = TokioIo::new(Bounded { stream, left: kind.bytes_max() });
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(async move {
            // Its errors come with the answer, too. It ends when the answer is read or dropped.
            let _ = match kind.lasts() {
                Some(lasts) => tokio::time::timeout(lasts, connection).await,
                None => Ok(connection.await),
            };
        });
        let answer = sender.send_request(self.addressed(request)).await.map_err(|error| {
            match self.tls.as_ref().and_then(|tls| tls.fault(&error)) {
                Some(fault) => Error::IOError { err: io::Error::other(fault) },
                None => error.into(),
            }
        })?;
        if kind == Kind::Events && answer.status().is_success() {
            self.listening.send_modify(|count| *count += 1);
        }
        Ok(answer)
    }

    /// The request with a path of the version that is spoken, and with the header that HTTP/1.1 wants.
    fn addressed(&self, mut request: BollardRequest) -> BollardRequest {
        let spoken = self.spoken.load();
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let path = versioned(target, spoken.as_deref());
        // A path that came from a URI is one again.
        if let Ok(uri) = path.parse::<Uri>() {
            *request.uri_mut() = uri;
        }
        request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
        request
    }

    async fn connect(&self) -> io::Result<Box<dyn Duplex>> {
        match &self.address {
            EngineAddress::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            EngineAddress::Tcp { host, port } => {
                let stream = TcpStream::connect((&**host, *port)).await?;
                stream.set_nodelay(true)?;
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                match &self.tls {
                    Some(tls) => Ok(Box::new(tls.greet(stream).await?)),
                    None => Ok(Box::new(stream)),
                }
            }
        }
    }
}

/// The target with this version in front, in the place of any other.
fn versioned(target: &str, version: Option<&ApiVersion>) -> String {
    let is_version = |segment: &str| {
        segment.strip_prefix('v').is_some_and(|number| {
            number.starts_with(|first: char| first.is_ascii_digit())
                && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    };
    let bare = match target.trim_start_matches('/').split_once('/') {
        Some((first, rest)) if is_version(first) => rest,
        _ => target.trim_start_matches('/'),
    };
    match version {
        Some(version) => format!("/v{version}/{bare}"),
        None => format!("/{bare}"),
    }
}

/// What a call is, as far as its connection is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Logs,
    Events,
    Pull,
}

impl Kind {
    fn of(path: &str) -> Self {
        match path {
            path if path.ends_with("/logs") => Kind::Logs,
            path if path.ends_with("/events") => Kind::Events,
            path if path.ends_with("/images/create") => Kind::Pull,
            _ => Kind::Call,
        }
    }

    /// Events come for as long as the engine lives; after so many bytes, which are more than twenty thousand of them, they
    /// are asked for again.
    fn bytes_max(self) -> u64 {
        match self {
            Kind::Call | Kind::Events => ANSWER_BYTES_MAX,
            Kind::Logs => LOGS_BYTES_MAX,
            Kind::Pull => PULL_BYTES_MAX,
        }
    }

    fn lasts(self) -> Option<Duration> {
        match self {
            Kind::Call | Kind::Logs => Some(CALL_LASTS),
            Kind::Pull => Some(PULL_LASTS),
            Kind::Events => None,
        }
    }
}

/// What bytes go over.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<Stream: AsyncRead + AsyncWrite + Send + Unpin> Duplex for Stream {}

/// A stream of which so many bytes may be read.
struct Bounded {
    stream: Box<dyn Duplex>,
    left: u64,
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(io::Error::other("the engine's answer is too long"))),
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_path_carries_the_version_that_is_spoken() {
        let version: ApiVersion = "1.44".parse().unwrap();
        for (target, bare, spoken) in [
            ("/containers/json?all=true", "/containers/json?all=true", "/v1.44/containers/json?all=true"),
            ("/v1.52/containers/json", "/containers/json", "/v1.44/containers/json"),
            ("//_ping", "/_ping", "/v1.44/_ping"),
            ("/volumes/v1", "/volumes/v1", "/v1.44/volumes/v1"),
        ] {
            assert_eq!(versioned(target, None), bare);
            assert_eq!(versioned(target, Some(&version)), spoken);
        }
    }

    #[test]
    fn calls_are_told_by_their_paths() {
        for (path, kind) in [
            ("/v1.44/events", Kind::Events),
            ("/containers/abc/logs", Kind::Logs),
            ("/v1.52/images/create", Kind::Pull),
            ("/v1.52/containers/create", Kind::Call),
            ("/_ping", Kind::Call),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_never_ends_is_an_error() {
        let (mut engine, ours) = tokio::io::duplex(64);
        let mut bounded = Bounded { stream: Box::new(ours), left: 100 };
        let mut read = [0; 50];
        for _ in 0..2 {
            engine.write_all(&[b'x'; 50]).await.unwrap();
            bounded.read_exact(&mut read).await.unwrap();
        }
        engine.write_all(b"x").await.unwrap();
        let error = bounded.read(&mut read).await.unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }

    #[test]
    fn missing_certificates_are_named() {
        let endpoint = Endpoint {
            address: "tcp://engine:2376".parse().unwrap(),
            certificates: Some("/there/is/no/such/folder".into()),
        };
        let error = Transport::new(&endpoint).err().unwrap();
        assert!(error.contains("/there/is/no/such/folder/ca.pem"), "{error}");
    }
}
