//! Which promise what went over the connections breaks.
//!
//! A backend gets requests that a strict reader can tell apart, and none that no client sent: that is smuggling. A client
//! gets answers that a strict reader can tell apart, in the order of its requests, each of them whole or visibly cut, and
//! each one a backend's or of the proxy's own.

use std::cell::RefCell;
use std::rc::Rc;

use ringway::message::MessageBodyLength;

use super::peer::Record;
use crate::fuzzed::framing::values;
use crate::fuzzed::messages::{Head, Message, Rest, answers, requests};

/// Statuses that the proxy gives by itself.
const OWN: [u16; 13] = [204, 400, 404, 405, 408, 413, 414, 431, 501, 502, 503, 504, 505];

pub(super) fn judge(clients: &[Rc<RefCell<Record>>], backends: &[Rc<RefCell<Record>>]) {
    let sent: Vec<Message> =
        clients.iter().flat_map(|client| requests(&client.borrow().sent, true).0).collect();
    let mut offered = Vec::new();
    for backend in backends {
        let backend = backend.borrow();
        let seen = judge_requests(&backend, &sent);
        let methods: Vec<Vec<u8>> = seen.iter().map(|request| request.head.method.clone()).collect();
        offered.extend(offers(&backend.sent, &methods));
    }
    for client in clients {
        judge_answers(&client.borrow(), &offered);
    }
}

/// Returns the requests that a backend got.
fn judge_requests(backend: &Record, sent: &[Message]) -> Vec<Message> {
    let (mut seen, mut rest) = requests(&backend.received, false);
    // What comes behind an upgrade that was accepted is not HTTP.
    let switches = answers(&backend.sent, &[]).0.iter().any(|answer| answer.head.status == 101);
    if switches && let Some(at) = seen.iter().position(|request| request.head.says("upgrade")) {
        seen.truncate(at + 1);
        rest = Rest::Sound;
    }
    assert_eq!(rest, Rest::Sound, "a backend got what is no request: {}", backend.received.escape_ascii());
    let beginning = &backend.received[seen.last().map_or(0, |last| last.end)..];
    assert!(
        switches
            || beginning.is_empty()
            || sent.iter().any(|other| begin_alike(beginning, &[&other.head.method, &b" "[..]].concat())),
        "a backend got the beginning of what no client sent: {}",
        beginning.escape_ascii()
    );
    for request in &seen {
        let head = &request.head;
        assert!(
            sent.iter().any(|other| is_forwarded(request, other)),
            "a backend got a request that no client sent: {} {}",
            head.method.escape_ascii(),
            head.target.escape_ascii()
        );
        assert_eq!(values(&head.fields, "Host").len(), 1, "Host");
        assert_eq!(head.minor, 1, "the version");
        let connection = values(&head.fields, "Connection");
        assert!(connection.is_empty() || connection == [b"upgrade"], "the client's Connection is forwarded");
    }
    seen
}

/// Whether one is the beginning of the other.
fn begin_alike(some: &[u8], others: &[u8]) -> bool {
    some.starts_with(others) || others.starts_with(some)
}

/// Whether a backend may get `request`, or its beginning, where a client sent `original`.
fn is_forwarded(request: &Message, original: &Message) -> bool {
    let (target, written) = (&original.head.target, &request.head.target);
    let is_same_target = if target.starts_with(b"/") || target == b"*" {
        target == written
    } else {
        // An absolute-form loses its authority, and may have no path.
        target.ends_with(written) || matches!(&written[..], b"/" | b"*") || {
            written.starts_with(b"/?") && target.ends_with(&written[1..])
        }
    };
    let is_same_body = if request.whole {
        original.whole && request.body == original.body
    } else {
        original.body.starts_with(&request.body)
    };
    is_same_target && is_same_body && request.head.method == original.head.method
}

/// An answer of a backend.
struct Offer {
    answer: Message,
    /// Which request it answers, and so where its body ends, is not known: the backend left before it had read that.
    is_unsure: bool,
}

fn offers(sent: &[u8], methods: &[Vec<u8>]) -> Vec<Offer> {
    let mut answered = 0;
    let (answers, _) = answers(sent, methods);
    answers
        .into_iter()
        .map(|answer| {
            let is_unsure = answered >= methods.len();
            answered += usize::from(answer.head.status >= 200);
            Offer { answer, is_unsure }
        })
        .collect()
}

fn judge_answers(client: &Record, offered: &[Offer]) {
    let (asked, _) = requests(&client.sent, true);
    let methods: Vec<Vec<u8>> = asked.iter().map(|request| request.head.method.clone()).collect();
    let (got, rest) = answers(&client.received, &methods);
    let text = || client.received.escape_ascii().to_string();
    let mut answered = 0;
    for (index, answer) in got.iter().enumerate() {
        let head = &answer.head;
        let minor = asked.get(answered).map_or(1, |request| request.head.minor);
        assert_eq!(head.minor, 1, "the version of {}", text());
        assert!(minor == 1 || answer.framing != MessageBodyLength::Chunked, "chunked for 1.0: {}", text());
        assert!(is_known(answer, offered), "an answer {} of nobody's: {}", head.status, text());
        if head.status == 101 {
            return;
        }
        if head.status < 200 {
            assert_eq!(minor, 1, "an interim answer for HTTP/1.0: {}", text());
            continue;
        }
        assert!(answered <= asked.len(), "more answers than requests: {}", text());
        answered += 1;
        if ends_connection(head, minor) && index + 1 == got.len() {
            return assert!(is_end(answer, client, rest), "behind the last answer: {}", text());
        }
        assert!(!ends_connection(head, minor) || is_refused_head(answer, client), "goes on: {}", text());
        if ends_connection(head, minor) {
            return;
        }
    }
    let beginning = &client.received[got.last().map_or(0, |last| last.end)..];
    assert!(begin_alike(beginning, b"HTTP/1.1 "), "a client got what begins no answer: {}", text());
    assert_eq!(rest, Rest::Sound, "a client got what is no answer: {}", text());
}

fn ends_connection(head: &Head, minor: u8) -> bool {
    if minor == 0 { !head.says("keep-alive") } else { head.says("close") }
}

/// Whether nothing comes behind an answer that ends its connection.
fn is_end(answer: &Message, client: &Record, rest: Rest) -> bool {
    is_refused_head(answer, client)
        || (rest == Rest::Sound
            && (answer.end == client.received.len() || answer.framing == MessageBodyLength::UntilClose))
}

/// Whether it is the answer, with a body, to what the reader takes for HEAD, but what the proxy could not read: then nobody
/// knows what it was.
fn is_refused_head(answer: &Message, client: &Record) -> bool {
    let announced = values(&answer.head.fields, "Content-Length");
    let length = announced.first().and_then(|length| std::str::from_utf8(length).ok()?.parse::<usize>().ok());
    let behind = &client.received[answer.end..];
    answer.framing == MessageBodyLength::None && is_own(answer, behind) && length == Some(behind.len())
}

fn is_known(answer: &Message, offered: &[Offer]) -> bool {
    OWN.contains(&answer.head.status) && is_own(answer, &answer.body)
        || answer.head.status == 100
        || offered.iter().any(|offer| is_passed_on(answer, offer))
}

fn is_own(answer: &Message, body: &[u8]) -> bool {
    let text = format!("{} ", answer.head.status).into_bytes();
    let problem = b"{\"type\":\"about:blank\"";
    begin_alike(body, &text) || begin_alike(body, problem)
}

/// Whether a client may get `answer`, or its beginning, where a backend sent `offer`.
fn is_passed_on(answer: &Message, offer: &Offer) -> bool {
    let original = &offer.answer;
    if answer.head.status != original.head.status {
        return false;
    }
    // Where the end of either body is the connection's, one that was cut looks like a whole one.
    let ends_with_connection = [answer.framing, original.framing].contains(&MessageBodyLength::UntilClose);
    offer.is_unsure
        || match answer.whole && !ends_with_connection {
            true => original.whole && answer.body == original.body,
            false => original.body.starts_with(&answer.body),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one client and one backend, what each sent and got.
    struct Case {
        asked: &'static str,
        answered: &'static str,
        forwarded: &'static str,
        offered: &'static str,
    }

    impl Case {
        fn passes(&self) -> bool {
            let record = |sent: &str, received: &str| {
                let (sent, received) = (sent.as_bytes().to_vec(), received.as_bytes().to_vec());
                [Rc::new(RefCell::new(Record { sent, received, ..Record::default() }))]
            };
            let (client, backend) = (record(self.asked, self.answered), record(self.offered, self.forwarded));
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(&client, &backend))).is_ok()
        }
    }

    const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const CLOSES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    const BAD: &str = "HTTP/1.1 400 Bad\r\nContent-Length: 4\r\nConnection: close\r\n\r\n400 ";

    /// asked, answered, forwarded, offered.
    type Row = [&'static str; 4];

    #[test]
    fn what_keeps_every_promise_passes() {
        let cases: [Row; 9] = [
            [GET, OK, GET, OK],
            [POST, CLOSES, POST, OK],
            [POST, "", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na", ""],
            [GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", GET, OK],
            ["HEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "", ""],
            ["GET http://b/a HTTP/1.1\r\nHost: a\r\n\r\n", OK, GET, OK],
            [GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", GET, OK],
            ["nonsense\r\n\r\n", BAD, "", ""],
            [GET, "", GET, ""],
        ];
        for [asked, answered, forwarded, offered] in cases {
            assert!(Case { asked, answered, forwarded, offered }.passes(), "{answered:?} to {asked:?}");
        }
    }

    #[test]
    fn what_breaks_a_promise_is_accused() {
        let cases: [Row; 14] = [
            // To a backend: what no client sent, or not so.
            [GET, OK, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n", OK],
            [GET, OK, "PUT /a HTTP/1.1\r\nHost: a\r\n\r\n", OK],
            [POST, OK, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nac", OK],
            [POST, OK, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGE/", OK],
            [GET, OK, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", OK],
            [GET, OK, "GET /a HTTP/1.1\nHost: a\n\n", OK],
            [POST, OK, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", OK],
            // To a client: what no backend sent, more than was asked for, and what is no answer.
            [GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nko", GET, OK],
            [GET, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\no", GET, OK],
            [GET, "HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok", GET, OK],
            [GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", GET, OK],
            [GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nokmore", GET, OK],
            [GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.0", GET, OK],
            ["GET /a HTTP/1.0\r\n\r\n", "HTTP/1.1 103 A\r\n\r\n", "", "HTTP/1.1 103 A\r\n\r\n"],
        ];
        for [asked, answered, forwarded, offered] in cases {
            assert!(!Case { asked, answered, forwarded, offered }.passes(), "{answered:?} for {forwarded:?}");
        }
    }
}
