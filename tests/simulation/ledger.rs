//! What was sent, what was seen, and which promise that breaks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::content;

/// The most attempts that one idempotent request may take: the first and two retries.
const ATTEMPTS_MAX: usize = 3;

/// The ledger as clients and backends hold it.
pub(crate) type Shared = Rc<RefCell<Ledger>>;

/// One request as its client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: &'static str,
    /// Bytes of its body.
    pub(crate) length: usize,
    /// The client has sent all of it.
    pub(crate) complete: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// How a request ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a replica's whole answer.
    Answered { status: u16 },
    /// With an answer of the proxy's own.
    Own { status: u16 },
    /// The answer broke off after its head, visibly.
    Cut { status: u16 },
    /// The connection ended before an answer's head.
    Unanswered,
    /// The client itself left.
    Abandoned,
}

/// One attempt as a backend saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    pub(crate) token: u64,
    /// The backend has read all of it.
    pub(crate) complete: bool,
}

/// All that is known of one run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) requests: BTreeMap<u64, Sent>,
    pub(crate) sights: Vec<Sight>,
    /// Tokens whose answer a backend ended early in a way that nobody can tell from its end.
    pub(crate) shortened: BTreeSet<u64>,
    pub(crate) violations: Vec<String>,
}

impl Ledger {
    pub(crate) fn accuse(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(crate) fn conclude(&mut self, token: u64, outcome: Outcome) {
        if let Some(sent) = self.requests.get_mut(&token) {
            sent.outcome = Some(outcome);
        }
    }

    /// A backend has read a request, or the beginning of one. Returns its place among the sights.
    pub(crate) fn see(&mut self, token: u64, method: &str) -> usize {
        match self.requests.get(&token) {
            None => self.accuse(format!("a backend saw the request {token:016x}, which no client sent")),
            Some(sent) if !sent.method.starts_with(method) && !method.is_empty() => {
                let sent = sent.method;
                self.accuse(format!("{token:016x} was sent as {sent} and seen as {method}"));
            }
            Some(_) => {}
        }
        self.sights.push(Sight { token, complete: false });
        self.sights.len() - 1
    }

    /// A backend has read all of an attempt.
    pub(crate) fn see_all(&mut self, sight: usize, body: &[u8]) {
        self.sights[sight].complete = true;
        let token = self.sights[sight].token;
        let Some(sent) = self.requests.get(&token) else { return };
        let expected = content::request_body(token, sent.length);
        if !sent.complete {
            self.accuse(format!(
                "a backend took {token:016x} for whole, which its client had not sent whole"
            ));
        } else if body != expected {
            let difference = content::difference(body, &expected);
            self.accuse(format!("a backend saw another request body for {token:016x}: {difference}"));
        }
    }

    /// What the whole run breaks, beside what was noted while it ran.
    pub(crate) fn audit(&mut self) {
        let mut attempts: BTreeMap<u64, usize> = BTreeMap::new();
        for sight in &self.sights {
            *attempts.entry(sight.token).or_default() += 1;
        }
        for (token, sent) in &self.requests {
            let seen = attempts.get(token).copied().unwrap_or(0);
            let most = if sent.method == "POST" { 1 } else { ATTEMPTS_MAX };
            if seen > most {
                self.violations.push(format!("{} {token:016x} reached backends {seen} times", sent.method));
            }
            if sent.outcome.is_none() {
                self.violations.push(format!("{} {token:016x} has no outcome", sent.method));
            }
        }
    }

    /// How many requests ended so.
    pub(crate) fn count(&self, which: impl Fn(Outcome) -> bool) -> u64 {
        self.requests.values().filter(|sent| sent.outcome.is_some_and(&which)).count() as u64
    }
}
