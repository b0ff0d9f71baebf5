//! One HTTP/1.1 request over a connection of its own, for the commands: bounded in time and bytes, whatever the answer.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;

/// The longest body of an answer, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An answer, body and all.
pub(super) type Answer = Response<Bytes>;

/// Where requests go: scheme, authority, and a path in front of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    host: Box<str>,
    port: u16,
    prefix: Box<str>,
}

/// A text is no [`Base`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum BaseError {
    #[error("'{}' is no URL; write it as http://127.0.0.1:8081", .0.escape_default())]
    Malformed(String),
    #[error("this program speaks plain HTTP only; write http:// and not {}://", .0.escape_default())]
    Scheme(String),
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    #[error("cannot connect to {at}: {reason}")]
    Connect { at: String, reason: std::io::Error },
    #[error("{at} did not answer within {} ms", .after.as_millis())]
    TimedOut { at: String, after: Duration },
    #[error("{at} did not answer in HTTP: {reason}")]
    Broken { at: String, reason: String },
    #[error("the answer of {at} is longer than {} MiB", ANSWER_BYTES_MAX / (1024 * 1024))]
    TooLong { at: String },
}

impl Base {
    /// Reads `http://HOST[:PORT][/PATH]`, or the same without the scheme. A query is refused.
    pub(super) fn parse(written: &str) -> Result<Self, BaseError> {
        let (base, path) = split(written)?;
        if path.query().is_some() {
            return Err(BaseError::Malformed(written.to_owned()));
        }
        let prefix = path.path().trim_end_matches('/').into();
        Ok(Base { prefix, ..base })
    }

    /// The host, an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The target of `path_and_query` below this base.
    fn target(&self, path_and_query: &str) -> Result<Uri, hyper::http::Error> {
        let path: PathAndQuery = format!("{}{path_and_query}", self.prefix).parse()?;
        Ok(Uri::from(path))
    }
}

/// A whole URL as its server and its path with query.
pub(super) fn split(written: &str) -> Result<(Base, PathAndQuery), BaseError> {
    let malformed = || BaseError::Malformed(written.to_owned());
    let with_scheme = if written.contains("://") { written.to_owned() } else { format!("http://{written}") };
    let parts = with_scheme.parse::<Uri>().map_err(|_| malformed())?.into_parts();
    if let Some(scheme) = parts.scheme.filter(|scheme| *scheme != Scheme::HTTP) {
        return Err(BaseError::Scheme(scheme.to_string()));
    }
    let authority =
        parts.authority.filter(|authority| !authority.as_str().contains('@')).ok_or_else(malformed)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str().len() > authority.host().len() => return Err(malformed()),
        None => 80,
    };
    if host.is_empty() {
        return Err(malformed());
    }
    let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    Ok((Base { host: host.into(), port, prefix: "".into() }, path))
}

impl fmt::Display for Base {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "http://[{}]:{}{}", self.host, self.port, self.prefix)
        } else {
            write!(formatter, "http://{}:{}{}", self.host, self.port, self.prefix)
        }
    }
}

/// Sends a request to `base` and reads the whole answer, within `timeout` all in all. The request's target is a path
/// below the base; it gets a `Host` unless it has one.
pub(super) async fn send(
    base: &Base,
    request: Request<Bytes>,
    timeout: Duration,
) -> Result<Answer, ClientError> {
    let exchanged = tokio::time::timeout(timeout, exchange(base, request)).await;
    exchanged.unwrap_or_else(|_| Err(ClientError::TimedOut { at: base.to_string(), after: timeout }))
}

async fn exchange(base: &Base, request: Request<Bytes>) -> Result<Answer, ClientError> {
    let at = || base.to_string();
    let broken = |error: &dyn std::error::Error| ClientError::Broken { at: at(), reason: innermost(error) };
    let stream = TcpStream::connect((&*base.host, base.port))
        .await
        .map_err(|reason| ClientError::Connect { at: at(), reason })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
    let (mut head, body) = request.into_parts();
    head.uri = base
        .target(head.uri.path_and_query().map_or("/", PathAndQuery::as_str))
        .map_err(|error| broken(&error))?;
    if !head.headers.contains_key(HOST) {
        let authority = at()["http://".len()..].trim_end_matches(&*base.prefix).to_owned();
        let host = HeaderValue::try_from(authority).map_err(|error| broken(&error))?;
        head.headers.insert(HOST, host);
    }
    let receive = async {
        let response = sender.send_request(Request::from_parts(head, Full::new(body))).await;
        let (head, body) = response.map_err(|error| broken(&error))?.into_parts();
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(ClientError::TooLong { at: at() }),
            Err(error) => Err(broken(&*error)),
        }
    };
    // The connection moves the bytes, and has to be polled for that; its own end says nothing that the answer does not.
    let drive = async {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answer = receive => answer,
        () = drive => unreachable!("it never ends"),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_read_with_and_without_scheme_port_and_path() {
        for (written, expected) in [
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
            ("HTTP://localhost", "http://localhost:80"),
            ("localhost:81", "http://localhost:81"),
            ("[::1]:81", "http://[::1]:81"),
            ("http://proxy/ringway/a/", "http://proxy:80/ringway/a"),
        ] {
            assert_eq!(
                Base::parse(written).map(|base| base.to_string()).as_deref(),
                Ok(expected),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for written in [
            "",
            "http://",
            "http://:80",
            "http://a b",
            "http://a:",
            "http://a:99999",
            "/path",
            "a?x=1",
            "user:word@a:1",
        ] {
            assert!(matches!(Base::parse(written), Err(BaseError::Malformed(_))), "{written}");
        }
        assert_eq!(Base::parse("https://a"), Err(BaseError::Scheme("https".to_owned())));
        assert_eq!(Base::parse("unix://a"), Err(BaseError::Scheme("unix".to_owned())));
    }

    #[test]
    fn a_url_is_split_into_server_and_target() {
        let (base, path) = split("http://a:1/b/c?d=%20").unwrap();
        assert_eq!((base.to_string().as_str(), path.as_str()), ("http://a:1", "/b/c?d=%20"));
        assert_eq!(Base::parse("a:1/x").unwrap().target("/b?c").unwrap(), "/x/b?c");
    }
}
