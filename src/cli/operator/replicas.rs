//! `ringway rep`, `add` and `rm`.

use std::time::Duration;

use clap::Args;
use hyper::Method;
use hyper::body::Bytes;
use serde::Deserialize;

use super::options::{JsonOption, OperatorOptions, ServiceOption, parse, print_json};
use super::{CommandError, block_on, output};

/// How long `--wait` waits if nothing else is said: longer than Ringway itself.
const WAIT_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    service: ServiceOption,
    #[command(flatten)]
    json: JsonOption,
    #[command(flatten)]
    options: OperatorOptions,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Change {
    /// How many replicas, named and unnamed ones together.
    #[arg(value_name = "N", allow_negative_numbers = true)]
    n: i64,
    /// The names of some of them, or of all; `add` makes up the others, `rm` chooses them at random.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Answer only when all that were added serve, and all that were removed have ended; without it, once the change is
    /// stored.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    service: ServiceOption,
    #[command(flatten)]
    json: JsonOption,
    #[command(flatten)]
    options: OperatorOptions,
}

/// Which change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Remove,
}

impl List {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let target = self.service.target("/rep", &[]);
        let timeout = self.options.default_timeout();
        let body = block_on(self.options.ask(Method::GET, &target, Bytes::new(), timeout))?;
        show(&body, self.json)
    }
}

impl Change {
    pub(super) fn run(&self, verb: Verb) -> Result<(), CommandError> {
        let (method, path) = match verb {
            Verb::Add => (Method::POST, "/add"),
            Verb::Remove => (Method::DELETE, "/rm"),
        };
        let parameters: &[(&str, &str)] = if self.wait { &[("wait", "active")] } else { &[] };
        let timeout = match self.wait {
            true => self.options.timeout(WAIT_TIMEOUT),
            false => self.options.default_timeout(),
        };
        let order = serde_json::json!({ "n": self.n, "hostnames": self.names }).to_string();
        let target = self.service.target(path, parameters);
        let body = block_on(self.options.ask(method, &target, order.into(), timeout))?;
        show(&body, self.json)
    }
}

fn show(body: &str, JsonOption { json }: JsonOption) -> Result<(), CommandError> {
    if json { print_json(body) } else { output::print(list(body)?) }
}

/// The names of an answer, one a line.
fn list(body: &str) -> Result<String, CommandError> {
    #[derive(Deserialize)]
    struct Success {
        message: Replicas,
    }
    #[derive(Deserialize)]
    struct Replicas {
        replicas: Vec<String>,
    }
    let Success { message: Replicas { replicas } } = parse(body)?;
    Ok(replicas.iter().map(|name| output::one_line(name) + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_listed_one_a_line() {
        let body = r#"{"message":{"N":2,"replicas":["a","b\n\u001b"]},"status":"successful"}"#;
        assert_eq!(list(body).unwrap(), "a\nb \\u{1b}\n");
        assert!(list("{\"message\":\"Hello\"}").unwrap_err().to_string().contains("is not Ringway's"));
    }
}
