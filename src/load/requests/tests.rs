use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;
use crate::h1::{FieldTable, HeadLimits, Parse, parse_request, request_body_length};
use crate::message::MessageBodyLength;

fn spec(target: &str) -> RequestSpec {
    RequestSpec {
        target: target.parse().unwrap(),
        method: MethodToken::get(),
        fields: Vec::new(),
        body: template(""),
        keys: keys(1_000, 0, "sequential"),
        seed: 1,
        paths: None,
        writes: None,
        keep_alive: true,
    }
}

fn keys(count: u64, first: u64, distribution: &str) -> Keys {
    Keys { count: NonZeroU64::new(count).unwrap(), first, distribution: distribution.parse().unwrap() }
}

fn template(written: &str) -> Template {
    Template::parse(written.as_bytes()).unwrap()
}

fn fields(written: &[&str]) -> Vec<HeaderField> {
    written.iter().map(|field| field.parse().unwrap()).collect()
}

fn writes(percent: &str, method: &str, path: Option<&str>) -> Option<Writes> {
    Some(Writes {
        share: percent.parse().unwrap(),
        method: method.parse().unwrap(),
        path: path.map(|path| path.parse().unwrap()),
    })
}

fn written(requests: &Requests, index: u64) -> (String, Asked) {
    let mut out = Vec::new();
    let asked = requests.write(index, &mut out);
    (String::from_utf8(out).unwrap(), asked)
}

#[test]
fn requests_are_written_as_they_were_wanted() {
    let base = || spec("http://a:81/x?y={key}");
    let posted = |body| RequestSpec { method: MethodToken::post(), body: template(body), ..base() };
    let cases = [
        (base(), "GET /x?y=12 HTTP/1.1\r\nHost: a:81\r\n\r\n"),
        (posted(""), "POST /x?y=12 HTTP/1.1\r\nHost: a:81\r\nContent-Length: 0\r\n\r\n"),
        (posted("k={key}"), "POST /x?y=12 HTTP/1.1\r\nHost: a:81\r\nContent-Length: 4\r\n\r\nk=12"),
        (
            RequestSpec { body: template("é"), ..base() },
            "GET /x?y=12 HTTP/1.1\r\nHost: a:81\r\nContent-Length: 2\r\n\r\né",
        ),
        (
            RequestSpec { fields: fields(&["X-Id: {key}", "host: b", "Empty:"]), ..base() },
            "GET /x?y=12 HTTP/1.1\r\nX-Id: 12\r\nhost: b\r\nEmpty: \r\n\r\n",
        ),
        (
            RequestSpec { keep_alive: false, keys: keys(900, 100, "sequential"), ..base() },
            "GET /x?y=112 HTTP/1.1\r\nHost: a:81\r\nConnection: close\r\n\r\n",
        ),
        (
            RequestSpec { writes: writes("100", "PUT", None), body: template("b"), ..base() },
            "PUT /x?y=12 HTTP/1.1\r\nHost: a:81\r\nContent-Length: 1\r\n\r\nb",
        ),
        (
            RequestSpec { writes: writes("100", "DELETE", Some("/w/{key}")), ..base() },
            "DELETE /w/12 HTTP/1.1\r\nHost: a:81\r\n\r\n",
        ),
        (
            RequestSpec { writes: writes("0", "PUT", None), body: template("b"), ..base() },
            "GET /x?y=12 HTTP/1.1\r\nHost: a:81\r\n\r\n",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(written(&Requests::new(spec).unwrap(), 12).0, expected);
    }
}

#[test]
fn lines_of_a_file_are_asked_for_in_turn() {
    let paths = Paths::parse(b"/a\nPOST /b\nHEAD /c{}\n").unwrap();
    let base = || RequestSpec { paths: Some(paths.clone()), ..spec("http://h") };
    let first_lines = |spec| {
        let requests = Requests::new(spec).unwrap();
        [0, 1, 2, 3].map(|index| written(&requests, index).0.replace(" HTTP/1.1\r\nHost: h\r\n", "|"))
    };
    let expected = ["GET /a|\r\n", "POST /b|Content-Length: 0\r\n\r\n", "HEAD /c{}|\r\n", "GET /a|\r\n"];
    assert_eq!(first_lines(base()), expected);
    let with_body = RequestSpec { body: template("{key}"), method: "X".parse().unwrap(), ..base() };
    let length = "Content-Length: 1\r\n\r\n";
    let expected = [("X /a", 0), ("POST /b", 1), ("HEAD /c{}", 2), ("X /a", 0)]
        .map(|(line, key)| format!("{line}|{length}{key}"));
    assert_eq!(first_lines(with_body), expected);
    let all_writes = RequestSpec { writes: writes("100", "DELETE", None), ..base() };
    assert_eq!(first_lines(all_writes), ["/a", "/b", "/c{}", "/a"].map(|path| format!("DELETE {path}|\r\n")));
    let other_path = RequestSpec { writes: writes("100", "PUT", Some("/w/{key}")), ..base() };
    let expected = [0, 1, 2, 0].map(|key| format!("PUT /w/{key}|Content-Length: 0\r\n\r\n"));
    assert_eq!(first_lines(other_path), expected);
}

#[test]
fn what_is_asked_is_classed_by_method_or_by_the_share_of_writes() {
    let asked = |spec: RequestSpec| written(&Requests::new(spec).unwrap(), 1).1;
    let base = || spec("h");
    let with = |method: &str| RequestSpec { method: method.parse().unwrap(), ..base() };
    let listed = |file: &str| RequestSpec { paths: Paths::parse(file.as_bytes()).ok(), ..base() };
    for (spec, class, method) in [
        (base(), Class::Read, Method::Get),
        (with("HEAD"), Class::Read, Method::Head),
        (with("DELETE"), Class::Write, Method::Delete),
        (with("QUERY"), Class::Write, Method::Other),
        (listed("/a\nPUT /b"), Class::Write, Method::Put),
        (listed("PUT /a\n/b"), Class::Read, Method::Get),
        (RequestSpec { writes: writes("0", "PUT", None), ..with("POST") }, Class::Read, Method::Post),
        (RequestSpec { writes: writes("100", "GET", None), ..base() }, Class::Write, Method::Get),
        (RequestSpec { writes: writes("100", "PUT", None), ..listed("HEAD /a") }, Class::Write, Method::Put),
    ] {
        assert_eq!(asked(spec), Asked { class, method });
    }
}

#[test]
fn which_requests_are_writes_says_nothing_about_their_keys() {
    let spec = |percent| RequestSpec {
        writes: writes(percent, "PUT", None),
        keys: keys(100, 0, "uniform"),
        ..spec("h/{key}")
    };
    let (half, none) = (Requests::new(spec("50")).unwrap(), Requests::new(spec("0")).unwrap());
    let path = |requests, index| written(requests, index).0.split(' ').nth(1).unwrap().to_owned();
    assert!((0..1_000).all(|index| path(&half, index) == path(&none, index)));
    let low = |index: &u64| path(&half, *index)[1..].parse::<u64>().unwrap() < 50;
    let writes = |index: &u64| written(&half, *index).1.class == Class::Write;
    let count = (0..40_000).filter(|index| low(index) && writes(index)).count();
    assert!((9_500..10_500).contains(&count), "{count}");
}

#[test]
fn a_host_is_one_and_valid_whatever_the_key() {
    for (given, keys, expected) in [
        (vec!["Host: {key}.example:8080"], keys(10, 0, "uniform"), None),
        (vec!["Host: h:{key}"], keys(65_536, 0, "uniform"), None),
        (
            vec!["Host: h:{key}"],
            keys(65_537, 0, "uniform"),
            Some(RequestsError::InvalidHost(AuthorityError::InvalidPort)),
        ),
        (
            vec!["Host: %{key}"],
            keys(60, 0, "uniform"),
            Some(RequestsError::InvalidHost(AuthorityError::InvalidHost)),
        ),
        (vec!["Host: %{key}"], keys(90, 10, "uniform"), None),
        (vec!["Host:"], keys(1, 0, "uniform"), Some(RequestsError::InvalidHost(AuthorityError::EmptyHost))),
        (vec!["Host: a", "hOST: a"], keys(1, 0, "uniform"), Some(RequestsError::RepeatedHost)),
    ] {
        let spec = RequestSpec { fields: fields(&given), keys, ..spec("h") };
        assert_eq!(Requests::new(spec).err(), expected, "{given:?}");
    }
}

#[test]
fn without_a_place_for_it_no_key_is_drawn() {
    let plain = Requests::new(RequestSpec { keys: keys(10, 5, "zipf"), ..spec("h/a") }).unwrap();
    assert!(!plain.has_key());
    assert_eq!(plain.0.places.of(7), 0);
    let only_writes = RequestSpec { writes: writes("1", "PUT", Some("/{key}")), ..spec("h/a") };
    assert!(Requests::new(only_writes).unwrap().has_key());
}

#[test]
fn nothing_is_allocated_once_the_buffer_is_large_enough() {
    let requests = Requests::new(RequestSpec { body: template("{key}"), ..spec("h/{key}") }).unwrap();
    let mut out = Vec::with_capacity(256);
    let place = out.as_ptr();
    for index in 0..100 {
        out.clear();
        requests.write(index, &mut out);
    }
    assert_eq!((out.as_ptr(), out.capacity()), (place, 256));
}

/// A request as a reader sees it: method, target, fields in order, body.
type Read = (Vec<u8>, Vec<u8>, Vec<(String, Vec<u8>)>, Vec<u8>);

/// Reads exactly one request with the parser of the proxy.
fn read(bytes: &[u8]) -> Read {
    let mut table = FieldTable::default();
    let parsed = parse_request(bytes, &mut table, &HeadLimits::default()).unwrap();
    let Parse::Complete { head, length } = parsed else { panic!("the head has no end") };
    let body = &bytes[length..];
    let expected = match request_body_length(&head).unwrap() {
        MessageBodyLength::None => 0,
        MessageBodyLength::Sized(length) => length,
        other => panic!("{other:?}"),
    };
    assert_eq!(body.len() as u64, expected);
    let line = |line: crate::message::Field<'_>| {
        (String::from_utf8(line.name.to_vec()).unwrap(), line.value.to_vec())
    };
    let fields = head.fields.iter().map(line).collect();
    (head.method_token.to_vec(), head.target.raw().to_vec(), fields, body.to_vec())
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was_meant(
        method in prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("OPTIONS"), Just("X-y")],
        path in "/([a-z0-9./&=~]|%2[0-9A-F]|\\{key\\}|\\{\\{|\\}\\}){0,12}(\\?([a-z%/?]|\\{key\\}){0,8})?",
        value in "([a-zé\"=,\t ]|\\{key\\}|\\{\\{){0,12}",
        body in "([a-zé\r\n\0]|\\{key\\}|\\}\\}){0,12}",
        keep_alive: bool,
        (count, first) in (1..=100_000u64, 0..=FIRST_KEY_MAX),
        distribution in prop_oneof![Just("uniform"), Just("zipf:0.9"), Just("sequential")],
        (seed, index) in any::<(u64, u64)>(),
    ) {
        let keys = keys(count, first, distribution);
        let spec = RequestSpec {
            method: method.parse().unwrap(),
            fields: fields(&[&format!("X-Value: {value}"), "X-Key: {key}"]),
            body: template(&body),
            keys, keep_alive, seed,
            ..spec(&format!("http://[::1]:8080{path}"))
        };
        let requests = Requests::new(spec.clone()).unwrap();
        let mut bytes = Vec::new();
        let asked = requests.write(index, &mut bytes);
        let (token, target, fields, read_body) = read(&bytes);
        let field = |name| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        let key: u64 = String::from_utf8(field("X-Key").unwrap()).unwrap().parse().unwrap();
        prop_assert!((first..first + count).contains(&key));
        prop_assert_eq!(asked.method, Method::from_token(&token));
        prop_assert_eq!(token, method.as_bytes());
        prop_assert_eq!(target, template(&path).expand(key));
        prop_assert_eq!(field("Host"), Some(b"[::1]:8080".to_vec()));
        prop_assert_eq!(field("X-Value").unwrap(), template(value.trim_matches([' ', '\t'])).expand(key));
        prop_assert_eq!(field("Connection"), (!keep_alive).then(|| b"close".to_vec()));
        prop_assert_eq!(read_body, template(&body).expand(key));
        let mut again = Vec::new();
        Requests::new(spec).unwrap().write(index, &mut again);
        prop_assert_eq!(again, bytes);
    }
}
