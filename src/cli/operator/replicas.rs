//! `ringway rep`, `add` and `rm`.

use std::time::Duration;

use clap::Args;
use hyper::Method;
use hyper::body::Bytes;
use serde::Deserialize;

use super::options::{JsonOption, Question, parse, print_json};
use super::{CommandError, block_on, output};

/// How long `--wait` waits if nothing else is said: longer than Ringway itself.
const WAIT_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    question: Question,
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
    question: Question,
}

/// Which change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Remove,
}

impl List {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let Question { service, json, options } = &self.question;
        let (target, timeout) = (service.target("/rep", &[]), options.default_timeout());
        let body = block_on(options.ask(Method::GET, &target, Bytes::new(), timeout))?;
        show(&body, *json)
    }
}

impl Change {
    pub(super) fn run(&self, verb: Verb) -> Result<(), CommandError> {
        let Question { service, json, options } = &self.question;
        let (method, path) = match verb {
            Verb::Add => (Method::POST, "/add"),
            Verb::Remove => (Method::DELETE, "/rm"),
        };
        let parameters: &[(&str, &str)] = if self.wait { &[("wait", "active")] } else { &[] };
        let timeout = match self.wait {
            true => options.timeout(WAIT_TIMEOUT),
            false => options.default_timeout(),
        };
        let order = serde_json::json!({ "n": self.n, "hostnames": self.names }).to_string();
        let target = service.target(path, parameters);
        let body = block_on(options.ask(method, &target, order.into(), timeout))?;
        show(&body, *json)
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
