//! Heads to compare by: made of valid parts and of parts that a rule is about, then mutated.

use proptest::prelude::*;

/// A head, and whether it was mutated: the parts are mostly valid, and of most heads a few bytes are changed then.
pub(crate) fn heads(start_line: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = (Vec<u8>, bool)> {
    let whole = (
        prop_oneof![12 => Just(""), 2 => Just("\r\n"), 1 => Just("\r\n\r\n"), 1 => Just("\n")],
        start_line,
        line_end(),
        prop_oneof![4 => Just("Host: a\r\n"), 1 => Just("")],
        proptest::collection::vec(field_line(), 0..6),
        line_end(),
        prop_oneof![2 => Just("".as_bytes()), 1 => Just("body\r\n\r\n".as_bytes())],
    )
        .prop_map(|(before, line, end, host, fields, last, body)| {
            [before.as_bytes(), &line, end, host.as_bytes(), &fields.concat(), last, body].concat()
        });
    let changes = prop_oneof![
        1 => Just(Vec::new()),
        3 => proptest::collection::vec((any::<proptest::sample::Index>(), 0..3u8, telling_byte()), 1..3),
    ];
    (whole, changes).prop_map(|(mut bytes, changes)| {
        let mutated = !changes.is_empty();
        for (place, kind, byte) in changes {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(place)),
                _ => {}
            }
        }
        (bytes, mutated)
    })
}

fn line_end() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![80 => Just("\r\n".as_bytes()), 1 => Just("\n".as_bytes()), 1 => Just("\r".as_bytes())]
}

/// A byte that some rule is about, or any.
fn telling_byte() -> impl Strategy<Value = u8> {
    prop_oneof![3 => proptest::sample::select(b"\r\n \t:/?#%@\"\\,;()[]\0\x7f\x80\xff01aA-_".to_vec()), 1 => any::<u8>()]
}

fn field_line() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        1 => Just("Host".to_owned()),
        4 => proptest::sample::select(vec!["Content-Length", "transfer-encoding", "Connection", "VIA", "Cookie"])
            .prop_map(str::to_owned),
        4 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
    ];
    let value = prop_oneof![
        4 => proptest::sample::select(vec!["localhost", "a.b:80", "[::1]:1", "a b", "", "u@h", "h:x"])
            .prop_map(|value| value.as_bytes().to_vec()),
        8 => "[ -~\t]{0,60}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let space = proptest::sample::select(vec!["", " ", " ", " ", "\t", "  \t"]);
    (name, space.clone(), value, space, line_end()).prop_map(|(name, before, value, after, end)| {
        [name.as_bytes(), b":", before.as_bytes(), &value, after.as_bytes(), end].concat()
    })
}

pub(crate) fn request_lines() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        4 => proptest::sample::select(vec!["GET", "POST", "OPTIONS", "CONNECT", "PRI"]).prop_map(str::to_owned),
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
    ];
    let target = prop_oneof![
        3 => proptest::sample::select(vec!["/", "*", "http://o/a?b", "HTTPS://o:1", "o:443", "ftp://o/", "/%41%zz?%"])
            .prop_map(|target| target.as_bytes().to_vec()),
        6 => "/[!$&-~]{0,50}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..30),
    ];
    let version = proptest::sample::select(vec!["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]);
    (method, target, version).prop_map(|(method, target, version)| {
        [method.as_bytes(), b" ", &target, b" ", version.as_bytes()].concat()
    })
}

pub(crate) fn status_lines() -> impl Strategy<Value = Vec<u8>> {
    let version = proptest::sample::select(vec!["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]);
    let status = proptest::sample::select(vec![
        " 200 ", " 204 ", " 404 ", " 502 ", " 099 ", " 999 ", " 200", " 20", " 2000 ", "  200 ",
    ]);
    let reason = prop_oneof![
        3 => "[ -~\t]{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    (version, status, reason)
        .prop_map(|(version, status, reason)| [version.as_bytes(), status.as_bytes(), &reason].concat())
}
