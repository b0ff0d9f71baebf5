//! Who asked what, who saw it how often, and what came back: the judge.

use super::pattern;
use crate::tally::Tally;

/// A request that a client made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) token: u64,
    pub(super) method: Method,
    /// Bytes of the body that its answer has, which is also its own unless it is a GET.
    pub(super) length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Put,
    Post,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
        }
    }
}

/// What came back for a request.
#[derive(Debug)]
pub(super) enum Received {
    Answer {
        status: String,
        token: Option<String>,
        body: Vec<u8>,
        whole: bool,
    },
    /// The connection ended within an answer's head.
    PartOfHead,
    /// The connection ended without a byte of an answer; `excused` if an answer before it said so, or was cut.
    Nothing {
        excused: bool,
    },
    /// What came is no HTTP.
    Malformed(String),
}

#[derive(Clone, Copy)]
struct Entry {
    is_post: bool,
    seen: u8,
}

/// All requests by token: tokens are numbers from 0 up.
pub(super) struct Ledger {
    entries: Vec<Entry>,
    tally: Tally,
}

impl Ledger {
    pub(super) fn new(tally: Tally) -> Self {
        Ledger { entries: Vec::new(), tally }
    }

    /// A request that is about to be sent.
    pub(super) fn issue(&mut self, method: Method, length: usize) -> Asked {
        let token = self.entries.len() as u64;
        self.entries.push(Entry { is_post: method == Method::Post, seen: 0 });
        self.tally.add(&format!("{} asked", method.name()));
        Asked { token, method, length }
    }

    /// A server read the head of this token's request.
    pub(super) fn saw(&mut self, token: u64) {
        let Some(entry) = self.entries.get_mut(token as usize) else {
            return self.tally.fault(format!("a server saw token {token}, which nobody sent"));
        };
        entry.seen = entry.seen.saturating_add(1);
        self.tally.add("seen by servers");
        match (entry.is_post, entry.seen) {
            (_, 1) => {}
            (false, _) => self.tally.add("seen again (GET, PUT)"),
            (true, seen) => self.tally.fault(format!("POST {token} was seen by servers {seen} times")),
        }
    }

    /// What a client makes of what it got.
    pub(super) fn judge(&mut self, asked: &Asked, received: &Received) {
        let (name, fault) = self.verdict(asked, received);
        self.tally.add(&name);
        if let Some(fault) = fault {
            self.tally.fault(format!("{} {}: {fault}", asked.method.name(), asked.token));
        }
    }

    /// Something came that answers nothing.
    pub(super) fn judge_surplus(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
            self.tally.fault(format!("{} bytes that answer nothing: {beginning:?}", bytes.len()));
        }
    }

    pub(super) fn count(&self, name: &str) {
        self.tally.add(name);
    }

    fn verdict(&self, asked: &Asked, received: &Received) -> (String, Option<String>) {
        match received {
            Received::Answer { status, token, body, whole } if status == "200" => {
                let name = if *whole { "answered" } else { "cut" };
                (name.to_owned(), self.fault_of_answer(asked, token.as_deref(), body, *whole))
            }
            Received::Answer { status, token: Some(token), .. } => {
                (status.clone(), Some(format!("{status} with token {token}: no server sends that")))
            }
            Received::Answer { status, .. } => {
                let own = matches!(status.as_str(), "502" | "503" | "504");
                (status.clone(), (!own).then(|| format!("{status}, though nothing was wrong with it")))
            }
            Received::PartOfHead => ("cut within the head".to_owned(), None),
            Received::Nothing { excused: true } => ("no answer, behind the last one".to_owned(), None),
            Received::Nothing { excused: false } => {
                ("no answer".to_owned(), Some("closed without an answer".to_owned()))
            }
            Received::Malformed(what) => ("malformed".to_owned(), Some(what.clone())),
        }
    }

    fn fault_of_answer(
        &self,
        asked: &Asked,
        token: Option<&str>,
        body: &[u8],
        whole: bool,
    ) -> Option<String> {
        if token != Some(asked.token.to_string().as_str()) {
            return Some(format!("answered with token {token:?}"));
        }
        let expected = pattern::of(asked.token, asked.length);
        if whole && body != expected {
            let same = body.iter().zip(&expected).take_while(|(got, meant)| got == meant).count();
            return Some(format!(
                "a body of {} bytes, of {}, the first {same} right",
                body.len(),
                expected.len()
            ));
        }
        if !expected.starts_with(body) {
            return Some("the part of the body that came is another's".to_owned());
        }
        match self.entries.get(asked.token as usize) {
            Some(entry) if entry.seen > 0 => None,
            _ => Some("answered, though no server saw it".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, token: Option<u64>, body: &[u8], whole: bool) -> Received {
        let token = token.map(|token| token.to_string());
        Received::Answer { status: status.to_owned(), token, body: body.to_vec(), whole }
    }

    /// Whether a GET of 100 bytes with token 1, which a server saw, is fine with what it received.
    fn accepts(received: Received) -> bool {
        let tally = Tally::default();
        let mut ledger = Ledger::new(tally.clone());
        ledger.issue(Method::Get, 100);
        let asked = ledger.issue(Method::Get, 100);
        ledger.saw(1);
        ledger.judge(&asked, &received);
        tally.is_clean()
    }

    #[test]
    fn only_the_requests_own_answer_is_right() {
        let own = pattern::of(1, 100);
        let mut spoilt = own.clone();
        spoilt[99] ^= 1;
        for (received, right, case) in [
            (answer("200", Some(1), &own, true), true, "its own"),
            (answer("200", Some(0), &own, true), false, "another's token"),
            (answer("200", None, &own, true), false, "no token"),
            (answer("200", Some(1), &pattern::of(0, 100), true), false, "another's body"),
            (answer("200", Some(1), &spoilt, true), false, "one bit"),
            (answer("200", Some(1), &own[..99], true), false, "a byte less, as if whole"),
            (answer("200", Some(1), &pattern::of(1, 101), true), false, "a byte more"),
            (answer("200", Some(1), &own[..50], false), true, "visibly cut"),
            (answer("200", Some(1), b"", false), true, "visibly cut behind the head"),
            (answer("200", Some(1), &spoilt, false), false, "cut, and wrong before"),
            (answer("200", Some(0), &own[..50], false), false, "cut, of another"),
            (answer("502", None, b"sorry", true), true, "an error of the proxy's own"),
            (answer("503", None, b"", true), true, "503"),
            (answer("504", None, b"", true), true, "504"),
            (answer("502", Some(1), b"", true), false, "an error that a server would have sent"),
            (answer("400", None, b"", true), false, "a refusal of what was right"),
            (answer("408", None, b"", true), false, "a time-out of what was sent at once"),
            (Received::PartOfHead, true, "cut within the head"),
            (Received::Nothing { excused: true }, true, "behind the last answer"),
            (Received::Nothing { excused: false }, false, "nothing, for no reason"),
            (Received::Malformed("x".to_owned()), false, "no HTTP"),
        ] {
            assert_eq!(accepts(received), right, "{case}");
        }
    }

    #[test]
    fn an_answer_that_no_server_gave_is_a_fault() {
        let tally = Tally::default();
        let mut ledger = Ledger::new(tally.clone());
        let asked = ledger.issue(Method::Put, 3);
        ledger.judge(&asked, &answer("200", Some(0), &pattern::of(0, 3), true));
        assert!(!tally.is_clean());
    }

    #[test]
    fn a_post_may_be_seen_once_and_others_again() {
        for (method, times, right) in [
            (Method::Post, 1, true),
            (Method::Post, 2, false),
            (Method::Get, 3, true),
            (Method::Put, 2, true),
        ] {
            let tally = Tally::default();
            let mut ledger = Ledger::new(tally.clone());
            let asked = ledger.issue(method, 0);
            (0..times).for_each(|_| ledger.saw(asked.token));
            assert_eq!(tally.is_clean(), right, "{} {times} times", method.name());
        }
    }

    #[test]
    fn a_token_that_nobody_sent_and_bytes_that_answer_nothing_are_faults() {
        let tally = Tally::default();
        Ledger::new(tally.clone()).saw(0);
        assert!(!tally.is_clean());
        let tally = Tally::default();
        Ledger::new(tally.clone()).judge_surplus(b"");
        assert!(tally.is_clean());
        Ledger::new(tally.clone()).judge_surplus(b"H");
        assert!(!tally.is_clean());
    }
}
