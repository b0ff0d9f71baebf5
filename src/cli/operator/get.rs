//! `ringway get PATH_OR_URL`: a request through the ingress.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use clap::Args;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request};

use super::options::OperatorOptions;
use super::{CommandError, block_on, output};
use crate::admin::status::Status;
use crate::cli::client::{self, Answer, Base};

/// The longest body that is sent, in bytes.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct Get {
    /// A path, with its query; or a whole http:// URL.
    #[arg(value_name = "PATH_OR_URL")]
    target: String,
    /// The ingress; if it is not given, Ringway's status says where it listens.
    #[arg(long, value_name = "URL", value_parser = Base::parse)]
    ingress: Option<Base>,
    /// The method; GET, or POST with a body, if none is given.
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<Method>,
    /// The body; @FILE sends a file, @- standard input.
    #[arg(short = 'd', long, value_name = "BODY")]
    data: Option<String>,
    /// A header field; may be given more than once.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    fields: Vec<Field>,
    /// Print the status line and the header as well.
    #[arg(short = 'i', long)]
    include: bool,
    #[command(flatten)]
    options: OperatorOptions,
}

/// A header field as written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: HeaderName,
    value: HeaderValue,
}

impl FromStr for Field {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let (name, value) = written.split_once(':').ok_or("write it as 'Name: value'")?;
        Ok(Field {
            name: name.parse().map_err(|_| format!("'{}' is no name of a field", name.escape_default()))?,
            value: value.trim().parse().map_err(|_| "a value has no control characters".to_owned())?,
        })
    }
}

impl Get {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let body = self.body()?;
        let answer = block_on(async {
            let (base, target) = self.destination().await?;
            let request = self.request(&target, body)?;
            client::send(&base, request, self.options.default_timeout())
                .await
                .map_err(|error| CommandError::NoAnswer(error.to_string()))
        })?;
        if self.include {
            output::print(head(&answer))?;
        }
        show(answer.body())?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(CommandError::failed(format!("the answer is {}", answer.status())))
        }
    }

    /// Where the request goes, and its target there.
    async fn destination(&self) -> Result<(Base, PathAndQuery), CommandError> {
        if self.target.contains("://") {
            return client::split(&self.target).map_err(|error| CommandError::Usage(error.to_string()));
        }
        let slash = if self.target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{}", self.target).parse().map_err(|_| {
            let target = output::one_line(&self.target);
            CommandError::Usage(format!("'{target}' is no path; encode blanks and the like as %20"))
        })?;
        if let Some(ingress) = &self.ingress {
            return Ok((ingress.clone(), target));
        }
        let status: Status = self.options.get("/status", self.options.default_timeout()).await?;
        let address = status.listen.first().ok_or_else(|| {
            CommandError::failed("Ringway does not say where it listens for clients; give --ingress URL")
        })?;
        let base = Base::parse(&reachable(*address, self.options.admin.host()));
        Ok((base.map_err(|error| CommandError::failed(error.to_string()))?, target))
    }

    fn request(&self, target: &PathAndQuery, body: Bytes) -> Result<Request<Bytes>, CommandError> {
        let implied = if self.data.is_some() { Method::POST } else { Method::GET };
        let method = self.method.clone().unwrap_or(implied);
        let mut request = Request::builder().method(method).uri(target.as_str());
        if !self.fields.iter().any(|field| field.name == USER_AGENT) {
            request = request.header(USER_AGENT, concat!("ringway/", env!("CARGO_PKG_VERSION")));
        }
        for Field { name, value } in &self.fields {
            request = request.header(name, value);
        }
        request.body(body).map_err(|error| CommandError::Usage(error.to_string()))
    }

    fn body(&self) -> Result<Bytes, CommandError> {
        let Some(data) = &self.data else { return Ok(Bytes::new()) };
        let Some(path) = data.strip_prefix('@') else { return Ok(data.clone().into()) };
        let read = if path == "-" { read(io::stdin().lock()) } else { File::open(path).and_then(read) };
        let bytes = read.map_err(|error| CommandError::failed(format!("cannot read {path}: {error}")))?;
        if bytes.len() as u64 > BODY_BYTES_MAX {
            return Err(CommandError::failed(format!("{path} is longer than 16 MiB")));
        }
        Ok(bytes.into())
    }
}

fn read(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An address to connect to for one that is listened on: any address means the host that the operator reached.
fn reachable(listening: SocketAddr, admin_host: &str) -> String {
    match (listening.ip().is_unspecified(), admin_host.parse::<IpAddr>()) {
        (false, _) => listening.to_string(),
        (true, Ok(ip)) => SocketAddr::new(ip, listening.port()).to_string(),
        (true, Err(_)) => format!("{admin_host}:{}", listening.port()),
    }
}

fn head(answer: &Answer) -> String {
    let fields = answer.headers().iter().map(|(name, value)| {
        format!("{name}: {}\n", output::one_line(&String::from_utf8_lossy(value.as_bytes())))
    });
    format!("{:?} {}\n{}\n", answer.version(), answer.status(), fields.collect::<String>())
}

/// The body as it is; on a terminal, without what would steer it.
fn show(body: &[u8]) -> Result<(), CommandError> {
    if io::stdout().is_terminal() {
        output::print(output::harmless(&String::from_utf8_lossy(body)))
    } else {
        output::print(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_name_a_colon_and_a_value() {
        let field = "X-Id:  a: b ".parse::<Field>().unwrap();
        assert_eq!((field.name.as_str(), field.value.to_str().unwrap()), ("x-id", "a: b"));
        for written in ["", "X-Id", "X Id: a", ": a", "X: a\nb"] {
            assert!(written.parse::<Field>().is_err(), "{written:?}");
        }
    }

    #[test]
    fn any_address_is_reached_where_the_operator_is() {
        for (listening, admin, expected) in [
            ("127.0.0.1:80", "other", "127.0.0.1:80"),
            ("0.0.0.0:80", "10.0.0.1", "10.0.0.1:80"),
            ("[::]:80", "::1", "[::1]:80"),
            ("[::]:80", "proxy", "proxy:80"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap(), admin), expected, "{listening} {admin}");
        }
    }
}
