//! What the echo worker answers, and when: pure, so that a test decides what is drawn.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use crate::h1;
use crate::message::{KnownField, MessageBodyLength, Method, RequestHead, StatusCode, connection_options};

/// How an echo worker behaves. By default it answers at once, and well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoOptions {
    /// The name that it answers by.
    pub id: String,
    /// How long an answer takes, drawn anew for each; heartbeats are answered at once.
    pub delay: RangeInclusive<Duration>,
    /// Of 100 answers, how many are 500; heartbeats are never among them.
    pub fail_percent: u8,
    /// The size of the body of `/home` in bytes, instead of the greeting.
    pub size: Option<usize>,
    /// How heartbeats are answered.
    pub heartbeat: Heartbeat,
    /// Whether each request is a line on standard output.
    pub log: bool,
    /// The number of requests, heartbeats aside, after whose answer it ends.
    pub requests_max: Option<u64>,
    /// What the draws begin with.
    pub seed: u64,
}

/// How a heartbeat is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heartbeat {
    /// 200.
    #[default]
    Ok,
    /// 500.
    Fail,
    /// Never.
    Hang,
}

impl EchoOptions {
    /// A worker of this name that answers at once, and well.
    pub fn named(id: impl Into<String>) -> Self {
        EchoOptions {
            id: id.into(),
            delay: Duration::ZERO..=Duration::ZERO,
            fail_percent: 0,
            size: None,
            heartbeat: Heartbeat::default(),
            log: false,
            requests_max: None,
            seed: 1,
        }
    }
}

/// What is needed of a request to answer it.
#[derive(Debug)]
pub(super) struct Asked {
    /// Method and target.
    pub(super) line: Vec<u8>,
    pub(super) what: What,
    pub(super) head_only: bool,
    pub(super) persists: bool,
    pub(super) expects: bool,
    pub(super) body: MessageBodyLength,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Home,
    Heartbeat,
    Echo,
}

impl Asked {
    pub(super) fn of(head: &RequestHead<'_>) -> Result<Self, StatusCode> {
        let body = h1::request_body_length(head).map_err(|error| error.status())?;
        let options = connection_options(&head.fields).map_err(|_| StatusCode::BAD_REQUEST)?;
        let is_get = matches!(head.method, Method::Get | Method::Head);
        Ok(Asked {
            line: [head.method_token, b" ", head.target.raw()].concat(),
            what: match head.target.path() {
                b"/home" if is_get => What::Home,
                b"/heartbeat" if is_get => What::Heartbeat,
                _ => What::Echo,
            },
            head_only: head.method == Method::Head,
            persists: h1::persists(head.version, &options),
            expects: head.fields.contains(KnownField::Expect),
            body,
        })
    }
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// It is answered.
    Answer {
        answer: Answer,
        /// How long that takes.
        after: Duration,
        /// Whether it is logged.
        log: bool,
    },
    /// It never is.
    Silence,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Rc<[u8]>,
}

impl Answer {
    pub(super) fn empty(status: StatusCode) -> Self {
        Answer { status, content: Rc::default() }
    }
}

/// The options, and what has happened so far.
#[derive(Debug)]
pub(super) struct Behaviour {
    options: EchoOptions,
    home: Rc<[u8]>,
    random: u64,
    requests: u64,
}

impl Behaviour {
    pub(super) fn new(options: EchoOptions) -> Self {
        let home = match options.size {
            Some(size) => vec![b'x'; size],
            None => {
                let id = &options.id;
                format!("{{\"message\":\"Hello from Server: {id}\",\"status\":\"successful\"}}").into_bytes()
            }
        };
        // The generator never leaves 0.
        Behaviour { random: options.seed | 1, home: home.into(), options, requests: 0 }
    }

    pub(super) fn id(&self) -> &str {
        &self.options.id
    }

    /// Whether as many requests as there may be have been taken.
    pub(super) fn is_spent(&self) -> bool {
        self.options.requests_max.is_some_and(|max| self.requests >= max)
    }

    pub(super) fn react(&mut self, asked: &Asked, body: Vec<u8>) -> Reaction {
        let log = self.options.log;
        if asked.what == What::Heartbeat {
            let status = match self.options.heartbeat {
                Heartbeat::Ok => StatusCode::OK,
                Heartbeat::Fail => StatusCode::INTERNAL_SERVER_ERROR,
                Heartbeat::Hang => return Reaction::Silence,
            };
            return Reaction::Answer { answer: Answer::empty(status), after: Duration::ZERO, log };
        }
        self.requests += 1;
        let after = self.delay();
        let answer = if self.draw_below(100) < u64::from(self.options.fail_percent) {
            Answer::empty(StatusCode::INTERNAL_SERVER_ERROR)
        } else {
            Answer { status: StatusCode::OK, content: self.content(asked, body) }
        };
        Reaction::Answer { answer, after, log }
    }

    fn content(&self, asked: &Asked, body: Vec<u8>) -> Rc<[u8]> {
        match (asked.what, asked.body) {
            (What::Home, _) => self.home.clone(),
            (_, MessageBodyLength::None) => {
                [self.options.id.as_bytes(), b": ", &asked.line, b"\n"].concat().into()
            }
            _ => body.into(),
        }
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = (*self.options.delay.start(), *self.options.delay.end());
        let spread = most.saturating_sub(least).as_micros() as u64;
        if spread == 0 { least } else { least + Duration::from_micros(self.draw_below(spread + 1)) }
    }

    /// A number below `bound`, near enough to uniform for a test's delays: xorshift64 (Marsaglia 2003).
    fn draw_below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(what: What) -> Asked {
        let line = b"GET /x".to_vec();
        Asked { line, what, head_only: false, persists: true, expects: false, body: MessageBodyLength::None }
    }

    fn statuses(options: EchoOptions, what: What) -> Vec<u16> {
        let mut behaviour = Behaviour::new(options);
        let mut status = || match behaviour.react(&asked(what), Vec::new()) {
            Reaction::Answer { answer, .. } => answer.status.number(),
            Reaction::Silence => 0,
        };
        (0..1_000).map(|_| status()).collect()
    }

    #[test]
    fn the_share_of_failures_is_what_was_asked_for_and_spares_heartbeats() {
        for (fail_percent, expected) in [(0, 0..=0), (30, 250..=350), (100, 1_000..=1_000)] {
            let options = EchoOptions { fail_percent, ..EchoOptions::named("a") };
            let failed =
                statuses(options.clone(), What::Home).iter().filter(|&&status| status == 500).count();
            assert!(expected.contains(&failed), "{fail_percent}%: {failed} of 1,000");
            assert_eq!(statuses(options, What::Heartbeat), [200; 1_000]);
        }
    }

    #[test]
    fn heartbeats_answer_as_they_are_told() {
        for (heartbeat, expected) in [(Heartbeat::Ok, 200), (Heartbeat::Fail, 500), (Heartbeat::Hang, 0)] {
            let options = EchoOptions { heartbeat, ..EchoOptions::named("a") };
            assert_eq!(statuses(options.clone(), What::Heartbeat), [expected; 1_000]);
            assert_eq!(statuses(options, What::Echo), [200; 1_000]);
        }
    }

    #[test]
    fn delays_lie_between_their_bounds_and_differ() {
        let (least, most) = (Duration::from_millis(5), Duration::from_millis(9));
        let mut behaviour = Behaviour::new(EchoOptions { delay: least..=most, ..EchoOptions::named("a") });
        let delays: Vec<Duration> = (0..1_000).map(|_| behaviour.delay()).collect();
        assert!(delays.iter().all(|delay| (least..=most).contains(delay)));
        assert!(delays.iter().min() < delays.iter().max());
    }

    #[test]
    fn the_last_request_spends_the_worker_and_heartbeats_do_not_count() {
        let mut behaviour = Behaviour::new(EchoOptions { requests_max: Some(2), ..EchoOptions::named("a") });
        for (what, spent) in [(What::Home, false), (What::Heartbeat, false), (What::Echo, true)] {
            behaviour.react(&asked(what), Vec::new());
            assert_eq!(behaviour.is_spent(), spent, "{what:?}");
        }
    }
}
