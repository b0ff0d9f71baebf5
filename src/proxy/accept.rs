//! In which format a client wants to be told of a failure (RFC 9110 12.5.1).

use crate::message::{list_members, trim_whitespace};

/// The most media ranges of one request that are looked at.
const RANGES_MAX: usize = 32;

/// Whether a client prefers `application/problem+json` (RFC 9457) to plain text; `values` are those of its Accept field
/// lines.
///
/// It does if its weight for it is the greater one, or the same and it names JSON: problem details or `application/json`,
/// of which they are a kind. So browsers and `*/*` get text, as does who sends no Accept, and programs that ask for JSON
/// before anything else get JSON. A range that is malformed counts for nothing.
pub(super) fn prefers_problem<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut problem, mut text) = (Weight::default(), Weight::default());
    for range in values.flat_map(list_members).take(RANGES_MAX) {
        let Some((range, weight)) = weighted(range) else { continue };
        let is = |name: &str| range.eq_ignore_ascii_case(name.as_bytes());
        if is("application/problem+json") || is("application/json") {
            problem.offer(Precision::Named, weight);
        } else if is("text/plain") {
            text.offer(Precision::Named, weight);
        } else if is("application/*") {
            problem.offer(Precision::Type, weight);
        } else if is("text/*") {
            text.offer(Precision::Type, weight);
        } else if is("*/*") {
            problem.offer(Precision::Any, weight);
            text.offer(Precision::Any, weight);
        }
    }
    let is_named = problem.precision == Some(Precision::Named) && problem.thousandths > 0;
    problem.thousandths > text.thousandths || (is_named && problem.thousandths == text.thousandths)
}

/// How exactly a range names a format: the most exact one decides the format's weight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Any,
    Type,
    Named,
}

#[derive(Default)]
struct Weight {
    precision: Option<Precision>,
    thousandths: u16,
}

impl Weight {
    fn offer(&mut self, precision: Precision, thousandths: u16) {
        if self.precision < Some(precision) {
            *self = Weight { precision: Some(precision), thousandths };
        } else if self.precision == Some(precision) {
            self.thousandths = self.thousandths.max(thousandths);
        }
    }
}

/// A media range without its parameters, and its weight in thousandths.
fn weighted(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = member.split(|&byte| byte == b';').map(trim_whitespace);
    let range = parts.next()?;
    let weight = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
    Some((range, weight.map_or(Some(1_000), thousandths)?))
}

/// qvalue: 0 or 1 with up to three decimals, 1 at most.
fn thousandths(written: &[u8]) -> Option<u16> {
    let (whole, decimals) = match written {
        [whole] => (whole, &b""[..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digits = [whole, decimals.first().unwrap_or(&b'0'), decimals.get(1).unwrap_or(&b'0')];
    let digits = digits.into_iter().chain([decimals.get(2).unwrap_or(&b'0')]);
    let number = digits.map(|&digit| digit.is_ascii_digit().then(|| u16::from(digit - b'0')));
    let number = number.reduce(|number, digit| Some(number? * 10 + digit?)).flatten();
    number.filter(|&number| number <= 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_prefer_it() {
        let cases: [(&[&str], bool); 26] = [
            (&[], false),
            (&[""], false),
            (&["*/*"], false),
            (&["application/problem+json"], true),
            (&["Application/JSON"], true),
            (&["application/*"], true),
            (&["text/plain"], false),
            (&["text/html, */*;q=0.8"], false),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"], false),
            // What programs send.
            (&["application/json, text/plain, */*"], true),
            (&["application/json, */*;q=0.1"], true),
            (&["text/plain", "application/json"], true),
            (&["text/plain, application/json;q=0.9"], false),
            (&["application/json;q=0.5, text/plain;q=0.4"], true),
            (&["application/problem+json;q=0.2, application/json;q=0.8, text/plain;q=0.5"], true),
            (&["application/json;q=0, */*"], false),
            (&["application/json;q=0"], false),
            (&["application/json ; charset=utf-8 ; Q=0.7, text/*;q=0.6"], true),
            (&["application/*, text/*"], false),
            (&["application/*;q=0.5, text/*;q=0.25"], true),
            (&["image/png"], false),
            // A weight that is none.
            (&["application/json;q=1.001"], false),
            (&["application/json;q=0.1234"], false),
            (&["application/json;q=-1"], false),
            (&["application/json;q="], false),
            (&["application/json;q=2, text/plain;q=0.1"], false),
        ];
        for (values, expected) in cases {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(prefers_problem(values.iter().copied()), expected, "{values:?}");
        }
    }

    #[test]
    fn what_stands_behind_many_ranges_is_not_looked_at() {
        let list = |before| format!("{}application/json", "a/b,".repeat(before));
        assert!(prefers_problem([list(RANGES_MAX - 1).as_bytes()].into_iter()));
        assert!(!prefers_problem([list(RANGES_MAX).as_bytes()].into_iter()));
    }

    #[test]
    fn a_weight_has_three_decimals_at_most() {
        let cases = [
            ("0", Some(0)),
            ("1", Some(1_000)),
            ("1.", Some(1_000)),
            ("0.5", Some(500)),
            ("0.123", Some(123)),
            ("1.000", Some(1_000)),
            ("1.001", None),
            ("9", None),
            ("0.1234", None),
            (".5", None),
            ("0,5", None),
            ("0.x", None),
            ("x", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(thousandths(written.as_bytes()), expected, "{written}");
        }
    }
}
