use std::fmt;

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

use super::*;

/// What is found in `bytes` when they come in these pieces.
fn scan<'a>(name: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> (JsonScan, Vec<u8>) {
    let (mut key, mut value) = (JsonKey::new(name.as_bytes()), Vec::new());
    for piece in pieces {
        let scan = key.push(piece, &mut value);
        if scan != JsonScan::NeedMore {
            return (scan, value);
        }
    }
    (JsonScan::NeedMore, value)
}

fn found(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let (scan, value) = scan(name, [bytes]);
    (scan == JsonScan::Found).then_some(value)
}

/// Checks that neither cuts nor the rest of the bytes change what a beginning says.
fn assert_cuts_change_nothing(name: &str, bytes: &[u8]) {
    let whole = scan(name, [bytes]);
    assert_eq!(scan(name, bytes.chunks(1)).0, whole.0);
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let cut_scan = scan(name, [first, second]);
        assert_eq!(cut_scan.0, whole.0, "cut at {cut}");
        if whole.0 == JsonScan::Found {
            assert_eq!(cut_scan.1, whole.1, "cut at {cut}");
        }
        let beginning = scan(name, [first]).0;
        assert!(beginning == JsonScan::NeedMore || beginning == whole.0, "cut at {cut}: {beginning:?}");
    }
}

#[test]
fn a_member_is_found_wherever_it_stands() {
    let cases: &[(&str, &str)] = &[
        (r#"{"id":"abc"}"#, "abc"),
        (r#" { "id" : "abc" "#, "abc"),
        ("\r\n{\t\"id\":\n\"abc\"", "abc"),
        (r#"{"a":1,"id":"abc"}"#, "abc"),
        (r#"{"id":"first","id":"second"}"#, "first"),
        (r#"{"a":{"id":"inner"},"id":"outer"}"#, "outer"),
        (r#"{"a":[{"id":1},[],{}],"id":"outer"}"#, "outer"),
        (r#"{"i":0,"idd":1,"":2,"id":"abc"}"#, "abc"),
        (r#"{"\u0069\u0064":"abc"}"#, "abc"),
        (r#"{"id":""}"#, ""),
        (r#"{"id":"\"\\\/\b\f\n\r\t"}"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#"{"id":"\u00e9\u20AC\ud83d\ude00\u0000"}"#, "é€😀\0"),
        (r#"{"id":"é{}[],:"}"#, "é{}[],:"),
        (r#"{"id":12345}"#, "12345"),
        (r#"{"id":-0.50e+07 }"#, "-0.50e+07"),
        (r#"{"id":0,"#, "0"),
        (r#"{"id":true"#, "true"),
        (r#"{"id":false"#, "false"),
        (r#"{"id":null"#, "null"),
    ];
    for (text, expected) in cases {
        assert_eq!(found("id", text.as_bytes()).as_deref(), Some(expected.as_bytes()), "{text}");
        assert_cuts_change_nothing("id", text.as_bytes());
    }
}

#[test]
fn what_is_no_such_member_is_not_there() {
    let cases = [
        r#"{}"#,
        r#"{"a":1}"#,
        r#"{"ID":1}"#,
        r#"{"a":{"id":1}}"#,
        r#"["id",1]"#,
        r#""id""#,
        "12",
        r#"{"id":{"id":1}}"#,
        r#"{"id":["id"]}"#,
        r#"{"id":{},"id":1}"#,
        "id=1",
        "\u{feff}{\"id\":1}",
        r#"{,"id":1}"#,
        r#"{"a" 1,"id":1}"#,
        r#"{"a":1 "id":1}"#,
        r#"{"a":1,,"id":1}"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,],"id":1}"#,
        r#"{"a":[1},"id":1}"#,
        r#"{"a":{"b"},"id":1}"#,
        r#"{"a":truth,"id":1}"#,
        r#"{"a":01,"id":1}"#,
        r#"{"a":1.,"id":1}"#,
        r#"{"a":1e,"id":1}"#,
        r#"{"a":+1,"id":1}"#,
        r#"{"id":-}"#,
        r#"{"id":01}"#,
        r#"{"id":1x}"#,
        r#"{"id":.5}"#,
        r#"{"id":"\x41"}"#,
        r#"{"id":"\u00g0"}"#,
        r#"{"id":"\ud83d"}"#,
        r#"{"id":"\ud83dx"}"#,
        r#"{"id":"\ud83d\n"}"#,
        r#"{"id":"\ud83d\ud83d"}"#,
        r#"{"id":"\ude00"}"#,
        "{\"id\":\"a\nb\"}",
        r#"{id:1}"#,
        r#"{'id':1}"#,
    ];
    for text in cases {
        assert_eq!(scan("id", [text.as_bytes()]).0, JsonScan::NotThere, "{text}");
        assert_cuts_change_nothing("id", text.as_bytes());
    }
}

#[test]
fn a_number_needs_its_end_and_a_string_its_quote() {
    for text in
        ["", " ", "{", r#"{"id"#, r#"{"id":"#, r#"{"id":1"#, r#"{"id":"a"#, r#"{"id":tru"#, r#"{"a":[[{"#]
    {
        assert_eq!(scan("id", [text.as_bytes()]).0, JsonScan::NeedMore, "{text}");
    }
}

#[test]
fn the_member_must_stand_within_the_prefix() {
    let with_padding = |padding: usize| {
        let text = format!(r#"{{"a":"{}","id":"x"}}"#, "p".repeat(padding));
        assert_cuts_change_nothing_at_the_end(&text);
        found("id", text.as_bytes())
    };
    let around = r#"{"a":"","id":"x""#.len();
    assert_eq!(with_padding(PREFIX_BYTES_MAX - around).as_deref(), Some(&b"x"[..]));
    assert_eq!(with_padding(PREFIX_BYTES_MAX - around + 1), None);
    let endless = [&b"{\"id\":\""[..], &[b'x'; PREFIX_BYTES_MAX]].concat();
    let (scan, value) = scan("id", endless.chunks(100));
    assert_eq!(scan, JsonScan::NotThere);
    assert!(value.len() < PREFIX_BYTES_MAX);
}

/// As [`assert_cuts_change_nothing`], for texts that are too long for all cuts.
fn assert_cuts_change_nothing_at_the_end(text: &str) {
    let bytes = text.as_bytes();
    let whole = scan("id", [bytes]);
    for cut in bytes.len() - 12..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(scan("id", [first, second]), whole, "cut at {cut}");
    }
}

#[test]
fn nesting_is_bounded_and_costs_no_stack() {
    let nested = |depth: usize| format!(r#"{{"a":{}{},"id":7}}"#, "[".repeat(depth), "]".repeat(depth));
    let deepest = DEPTH_MAX as usize - 1;
    assert_eq!(found("id", nested(deepest).as_bytes()).as_deref(), Some(&b"7"[..]));
    assert_eq!(found("id", nested(deepest + 1).as_bytes()), None);
    assert_eq!(scan("id", [&[b'['; 100_000][..]]).0, JsonScan::NotThere);
}

/// The members of an object in their order, as another parser reads them.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Checks a text that is JSON against the other parser's reading; any other text is only cut everywhere.
fn assert_as_the_other_parser(name: &str, text: &[u8]) {
    assert_cuts_change_nothing(name, text);
    let Ok(Members(members)) = serde_json::from_slice(text) else { return };
    let value = members.iter().find(|(other, _)| other == name).map(|(_, value)| value);
    match (value, found(name, text)) {
        (None | Some(Value::Object(_) | Value::Array(_)), None) => {}
        (Some(Value::String(expected)), Some(bytes)) => assert_eq!(bytes, expected.as_bytes()),
        (Some(expected), Some(bytes)) => {
            assert_eq!(&serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
        }
        (expected, bytes) => panic!("{expected:?}, but {bytes:?}"),
    }
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z ]{0,3}",
        Just("id".to_owned()),
        Just("\\u0069d".to_owned()),
        Just("\\n".to_owned()),
        Just("\\\"".to_owned()),
        Just("\\ud83d\\ude00".to_owned()),
        Just("é".to_owned()),
    ];
    prop::collection::vec(piece, 0..3).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t")]
}

fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        string(),
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let array = (space(), prop::collection::vec(inner.clone(), 0..4))
            .prop_map(|(space, items)| format!("[{space}{}{space}]", items.join(",")));
        prop_oneof![array, object(inner)]
    })
}

fn object(value: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    let name = prop_oneof![2 => string(), 1 => Just("\"id\"".to_owned())];
    let member = (space(), name, space(), value).prop_map(|(before, name, between, value)| {
        format!("{before}{name}{between}:{between}{value}{before}")
    });
    prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #[test]
    fn any_object_is_read_as_another_parser_reads_it(text in object(json().boxed())) {
        prop_assert!(serde_json::from_str::<Members>(&text).is_ok(), "the generator makes JSON: {}", text);
        assert_as_the_other_parser("id", text.as_bytes());
    }

    #[test]
    fn an_object_with_a_broken_byte_is_still_read_alike(
        text in object(json().boxed()),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(&br#"{}[]",:\u0-.e "#[..])],
        what in 0..3,
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match what {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        assert_as_the_other_parser("id", &bytes);
    }

    #[test]
    fn bytes_of_any_kind_are_decided_alike_however_they_come(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        assert_cuts_change_nothing("id", &bytes);
    }
}
