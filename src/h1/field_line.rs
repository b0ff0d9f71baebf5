//! Field lines: field-name ":" OWS field-value OWS CRLF (RFC 9112 5).

use super::error::{HeadError, Stop};
use super::head::HeadLimits;
use super::scan;
use crate::message::{FieldLine, FieldTable, KnownField, Span, trim_whitespace};

/// Reads field lines from `start` into `table`, which is cleared first, up to and including the empty line that ends
/// the section; returns the index after it.
///
/// Not inlined: alone, the loop keeps its state in registers, which is a fifth of the time of a whole parse.
#[inline(never)]
pub(super) fn parse_section(
    bytes: &[u8],
    start: usize,
    table: &mut FieldTable,
    limits: &HeadLimits,
) -> Result<usize, Stop> {
    table.clear();
    let mut rest = bytes.get(start..).unwrap_or_default();
    loop {
        let at = bytes.len() - rest.len();
        if rest.starts_with(b"\r\n") {
            return Ok(at + 2);
        }
        let name_length = scan::token_length(rest);
        let (name, after_name) = rest.split_at(name_length);
        let [b':', after_colon @ ..] = after_name else { return Err(name_fault(name, after_name)) };
        if name.is_empty() {
            return Err(HeadError::EmptyFieldName.into());
        }
        if table.len() >= limits.fields_max {
            return Err(HeadError::TooManyFields.into());
        }
        let value_and_rest = skip_whitespace(after_colon);
        let (value, after_value) = value_and_rest.split_at(scan::field_value_length(value_and_rest));
        let [b'\r', b'\n', next_line @ ..] = after_value else { return Err(value_fault(after_value)) };
        let value_start = bytes.len() - value_and_rest.len();
        table.push(FieldLine {
            name: span(at, name_length),
            value: span(value_start, trimmed_length(value)),
            known: KnownField::from_token(name),
        });
        rest = next_line;
    }
}

/// A head's indices fit: no byte beyond 4 GiB is looked at.
#[inline]
fn span(start: usize, length: usize) -> Span {
    Span { start: start as u32, end: (start + length) as u32 }
}

/// Most often a single SP.
#[inline]
fn skip_whitespace(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b' ', first, ..] if *first > b' ' => &bytes[1..],
        _ => &bytes[bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..],
    }
}

/// The value's length without the whitespace at its end. In a value no byte but SP and HTAB is as low as SP.
#[inline]
fn trimmed_length(value: &[u8]) -> usize {
    match value {
        [.., last] if *last <= b' ' => trim_whitespace(value).len(),
        _ => value.len(),
    }
}

/// A line does not begin with a name and a colon.
#[cold]
fn name_fault(name: &[u8], after_name: &[u8]) -> Stop {
    let fault = match (after_name, name.is_empty()) {
        ([] | [b'\r'], true) | ([], false) => return Stop::NeedMore,
        ([b' ' | b'\t', ..], true) => HeadError::LineFolding,
        ([b' ' | b'\t', ..], false) => HeadError::SpaceBeforeColon,
        ([b'\n', ..], _) => HeadError::BareLineFeed,
        ([b'\r', ..], true) => HeadError::BareCarriageReturn,
        ([b'\r', ..], false) => HeadError::MissingColon,
        (_, _) => HeadError::InvalidFieldName,
    };
    fault.into()
}

/// A value is not followed by CRLF.
#[cold]
fn value_fault(after_value: &[u8]) -> Stop {
    match after_value {
        [] | [b'\r'] => Stop::NeedMore,
        [b'\n', ..] => HeadError::BareLineFeed.into(),
        [b'\r', ..] => HeadError::BareCarriageReturn.into(),
        _ => HeadError::InvalidFieldValue.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::every_cut::{self, LIMITS};
    use super::HeadError::*;
    use super::*;

    const LINE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n";

    /// A field, its name and its value.
    type Parts = (KnownField, Vec<u8>, Vec<u8>);

    /// The fields after Host.
    fn parsed(section: &[u8]) -> Result<Option<Vec<Parts>>, HeadError> {
        let bytes = [LINE, section].concat();
        every_cut::request(&bytes, &LIMITS, |head, length| {
            assert_eq!(length, bytes.len());
            let fields = head.fields.iter().skip(1);
            fields.map(|field| (field.known, field.name.to_vec(), field.value.to_vec())).collect()
        })
    }

    /// RFC 9110 5.1, 5.5 and RFC 9112 5
    #[test]
    fn names_and_values_are_split_and_trimmed() {
        use KnownField::{Cookie, Unknown, Via};
        let table: [(&[u8], KnownField, &[u8], &[u8]); 15] = [
            (b"X-A: b\r\n\r\n", Unknown, b"X-A", b"b"),
            (b"via:b\r\n\r\n", Via, b"via", b"b"),
            (b"a:\r\n\r\n", Unknown, b"a", b""),
            (b"a: \r\n\r\n", Unknown, b"a", b""),
            (b"a: \t \r\n\r\n", Unknown, b"a", b""),
            (b"a:\t b\t \r\n\r\n", Unknown, b"a", b"b"),
            (b"a:   b  c  \r\n\r\n", Unknown, b"a", b"b  c"),
            (b"a: b\tc\r\n\r\n", Unknown, b"a", b"b\tc"),
            (b"a: :b:\r\n\r\n", Unknown, b"a", b":b:"),
            (b"a: \x80\xff\r\n\r\n", Unknown, b"a", b"\x80\xff"),
            (b"a: \"q\\\"\"\r\n\r\n", Unknown, b"a", b"\"q\\\"\""),
            (b"!#$%&'*+-.^_`|~: b\r\n\r\n", Unknown, b"!#$%&'*+-.^_`|~", b"b"),
            (b"A-Name-Of-More-Than-16-Bytes_: b\r\n\r\n", Unknown, b"A-Name-Of-More-Than-16-Bytes_", b"b"),
            (b"9: b\r\n\r\n", Unknown, b"9", b"b"),
            (
                b"COOKIE: a value that does not fit in two lanes of 16\r\n\r\n",
                Cookie,
                b"COOKIE",
                b"a value that does not fit in two lanes of 16",
            ),
        ];
        for (section, known, name, value) in table {
            let expected = Ok(Some(vec![(known, name.to_vec(), value.to_vec())]));
            assert_eq!(parsed(section), expected, "{}", section.escape_ascii());
        }
    }

    #[test]
    fn the_order_of_lines_is_kept() {
        let names =
            |fields: Vec<Parts>| -> Vec<Vec<u8>> { fields.into_iter().map(|(_, name, _)| name).collect() };
        let found = parsed(b"b: 1\r\na: 2\r\nb: 3\r\n\r\n").map(|fields| fields.map(names));
        assert_eq!(found, Ok(Some(vec![b"b".to_vec(), b"a".to_vec(), b"b".to_vec()])));
    }

    #[test]
    fn broken_lines_name_their_fault() {
        let table: [(&[u8], HeadError); 27] = [
            (b"\n", BareLineFeed),
            (b"\rX", BareCarriageReturn),
            (b"\r\r\n", BareCarriageReturn),
            (b"a: b\n\n", BareLineFeed),
            (b"a: b\rc\r\n\r\n", BareCarriageReturn),
            (b"a: b\r\r\n\r\n", BareCarriageReturn),
            (b"a:\n", BareLineFeed),
            (b"a:\rb", BareCarriageReturn),
            (b"a\n", BareLineFeed),
            (b"a: b\r\n\n", BareLineFeed),
            (b"a\r\n\r\n", MissingColon),
            (b"a\rb: c\r\n\r\n", MissingColon),
            (b": b\r\n\r\n", EmptyFieldName),
            (b" a: b\r\n\r\n", LineFolding),
            (b"\ta: b\r\n\r\n", LineFolding),
            (b"a: b\r\n c\r\n\r\n", LineFolding),
            (b"a: b\r\n\tc\r\n\r\n", LineFolding),
            (b"a : b\r\n\r\n", SpaceBeforeColon),
            (b"a\t: b\r\n\r\n", SpaceBeforeColon),
            (b"a b: c\r\n\r\n", SpaceBeforeColon),
            (b"a\0: b\r\n\r\n", InvalidFieldName),
            (b"a(b): c\r\n\r\n", InvalidFieldName),
            (b"\xc3\xa4: b\r\n\r\n", InvalidFieldName),
            (b"a: b\0c\r\n\r\n", InvalidFieldValue),
            (b"a: \0\r\n\r\n", InvalidFieldValue),
            (b"a: b\x1bc\r\n\r\n", InvalidFieldValue),
            (b"a: b\x7f\r\n\r\n", InvalidFieldValue),
        ];
        for (section, fault) in table {
            assert_eq!(parsed(section), Err(fault), "{}", section.escape_ascii());
        }
    }

    #[test]
    fn fields_are_counted_against_the_limit() {
        let section = |count: usize| ["a: b\r\n".repeat(count), "\r\n".to_owned()].concat();
        let most = LIMITS.fields_max - 1;
        assert_eq!(
            parsed(section(most).as_bytes()).map(|fields| fields.map(|fields| fields.len())),
            Ok(Some(most))
        );
        assert_eq!(parsed(section(most + 1).as_bytes()), Err(TooManyFields));
    }
}
