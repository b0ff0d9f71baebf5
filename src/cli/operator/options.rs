//! What all of the operator's commands take, and the exchange with the admin interface.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;

use super::{CommandError, output};
use crate::cli::client::{self, Answer, Base};

/// The longest token.
const TOKEN_BYTES_MAX: u64 = 4_096;
/// How long an answer may take, if nothing else is said.
const TIMEOUT_MS: u64 = 10_000;

/// Where Ringway is, and how it is asked.
#[derive(Clone, Debug, Args)]
pub(super) struct OperatorOptions {
    /// The admin interface (admin.listen of the configuration).
    #[arg(long, global = true, value_name = "URL", env = "RINGWAY_ADMIN", default_value = "http://127.0.0.1:8081", value_parser = Base::parse)]
    pub(super) admin: Base,
    /// The file that holds the token (admin.token_file of the configuration).
    #[arg(long, global = true, value_name = "FILE", env = "RINGWAY_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// How long an answer may take, in milliseconds; by default 10 s, or 5 min with --wait.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    timeout_ms: Option<u64>,
}

/// Which service is meant.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ServiceOption {
    /// The service; may be left out where only one can be meant.
    #[arg(long, global = true, value_name = "NAME")]
    service: Option<String>,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct JsonOption {
    /// Print Ringway's answer as it is: JSON, on one line.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// What every question about a service takes.
#[derive(Clone, Debug, Args)]
pub(super) struct Question {
    #[command(flatten)]
    pub(super) service: ServiceOption,
    #[command(flatten)]
    pub(super) json: JsonOption,
    #[command(flatten)]
    pub(super) options: OperatorOptions,
}

impl OperatorOptions {
    /// How long an answer may take; `default` if the operator does not say.
    pub(super) fn timeout(&self, default: Duration) -> Duration {
        self.timeout_ms.map_or(default, Duration::from_millis)
    }

    pub(super) fn default_timeout(&self) -> Duration {
        self.timeout(Duration::from_millis(TIMEOUT_MS))
    }

    /// Asks the admin interface, and returns the body of an answer that says that all is well.
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<String, CommandError> {
        let mut request = Request::builder().method(method).uri(target);
        if let Some(token) = self.token()? {
            request = request.header(AUTHORIZATION, token);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(body).map_err(|error| CommandError::Usage(error.to_string()))?;
        let answer = client::send(&self.admin, request, timeout).await.map_err(CommandError::Unreachable)?;
        match (&self.token_file, answer.status()) {
            (Some(path), StatusCode::UNAUTHORIZED) => Err(CommandError::Failed(format!(
                "Ringway has another token than the file {}; give the one of admin.token_file",
                path.display()
            ))),
            _ => accept(&answer),
        }
    }

    /// Asks for a value.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        target: &str,
        timeout: Duration,
    ) -> Result<T, CommandError> {
        let body = self.ask(Method::GET, target, Bytes::new(), timeout).await?;
        parse(&body)
    }

    fn token(&self) -> Result<Option<HeaderValue>, CommandError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let unusable =
            |reason: String| CommandError::failed(format!("the token file {} {reason}", path.display()));
        let bytes = read(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
        let token = bytes.trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) || bytes.len() as u64 > TOKEN_BYTES_MAX
        {
            return Err(unusable(format!(
                "holds no token: write 1 to {TOKEN_BYTES_MAX} visible ASCII characters without blanks"
            )));
        }
        let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
        let mut value = value.map_err(|error| unusable(error.to_string()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TOKEN_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl ServiceOption {
    /// A target of the admin interface, with the service and other parameters in its query.
    pub(super) fn target(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let service = self.service.iter().map(|name| ("service", name.as_str()));
        let query: Vec<String> = service
            .chain(parameters.iter().copied())
            .map(|(name, value)| format!("{name}={}", percent_encoded(value.as_bytes())))
            .collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }

    /// The name that was given.
    pub(super) fn name(&self) -> Option<&str> {
        self.service.as_deref()
    }
}

/// Bytes as the value of a query's parameter: all but RFC 3986's unreserved characters are encoded.
fn percent_encoded(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn accept(answer: &Answer) -> Result<String, CommandError> {
    let text = str::from_utf8(answer.body());
    match (answer.status(), text) {
        (StatusCode::OK, Ok(text)) => Ok(text.to_owned()),
        (StatusCode::OK, Err(_)) => {
            Err(CommandError::failed("the answer is no text; is --admin a Ringway's?"))
        }
        (StatusCode::UNAUTHORIZED, _) => Err(CommandError::failed(
            "Ringway wants its token: give --token-file FILE, or set RINGWAY_TOKEN_FILE",
        )),
        (status, text) => Err(CommandError::Failed(reason(status, text.unwrap_or_default()))),
    }
}

/// What a refusal says: the message of Ringway's form, or as much as there is.
fn reason(status: StatusCode, body: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_str::<Refusal>(body) {
        Ok(Refusal { message }) => message.strip_prefix("<Error> ").unwrap_or(&message).to_owned(),
        Err(_) if body.trim().is_empty() => format!("the answer is {status}; is --admin a Ringway's?"),
        Err(_) => format!("the answer is {status}: {}", output::one_line(body)),
    }
}

/// Reads an answer's JSON.
pub(super) fn parse<T: DeserializeOwned>(body: &str) -> Result<T, CommandError> {
    serde_json::from_str(body).map_err(|error| {
        CommandError::failed(format!("the answer is not Ringway's ({error}); is --admin a Ringway's?"))
    })
}

/// Prints an answer as it is, on one line, if it is JSON.
pub(super) fn print_json(body: &str) -> Result<(), CommandError> {
    parse::<serde::de::IgnoredAny>(body)?;
    output::print(output::one_line_json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_encodes_what_a_query_reserves() {
        let service = ServiceOption { service: Some("a b&c".to_owned()) };
        assert_eq!(service.target("/rep", &[]), "/rep?service=a%20b%26c");
        assert_eq!(service.target("/x", &[("key", "/é?")]), "/x?service=a%20b%26c&key=%2F%C3%A9%3F");
        assert_eq!(ServiceOption::default().target("/rep", &[]), "/rep");
    }

    #[test]
    fn a_refusal_is_told_by_its_message() {
        let status = StatusCode::BAD_REQUEST;
        for (body, expected) in [
            ("{\"message\":\"<Error> n is 0\",\"status\":\"failure\"}", "n is 0"),
            ("{\"message\":\"other\"}", "other"),
            ("", "the answer is 400 Bad Request; is --admin a Ringway's?"),
            ("<html>\n\x1b[2J", "the answer is 400 Bad Request: <html> \\u{1b}[2J"),
        ] {
            assert_eq!(reason(status, body), expected);
        }
    }
}
