//! Field lines: field-name ":" OWS field-value OWS CRLF (RFC 9112 5).

use super::error::{HeadError, Stop};
use super::head::HeadLimits;
use super::scan;
use crate::message::{FieldLine, FieldTable, KnownField, Span, trim_whitespace};

/// Reads field lines from `start` into `table`, which is cleared first, up to and including the empty line that ends
/// the section; returns the index after it.
///
/// Here only what is right is recognised; a line that is not goes to `line_fault`, which looks at it again and slowly.
/// Inlined into both readers of heads: a call would pass the table's state through memory.
#[inline(always)]
pub(super) fn parse_section(
    bytes: &[u8],
    start: usize,
    table: &mut FieldTable,
    limits: &HeadLimits,
) -> Result<usize, Stop> {
    table.clear();
    let mut controls = scan::Controls::of(bytes, start);
    let mut at = start;
    loop {
        let end = controls.take();
        if !bytes[end..].starts_with(b"\r\n") {
            return Err(line_fault(&bytes[at..]));
        }
        if end == at {
            return Ok(end + 2);
        }
        let Some(name_end) = scan::token_before(bytes, at, b':').filter(|end| *end > at) else {
            return Err(line_fault(&bytes[at..]));
        };
        let name = &bytes[at..name_end];
        if table.len() >= limits.fields_max {
            return Err(HeadError::TooManyFields.into());
        }
        let value_start = value_start(bytes, name_end + 1, end);
        let value = &bytes[value_start..end];
        table.push(FieldLine {
            name: span(at, name.len()),
            value: span(value_start, trimmed_length(value)),
            known: KnownField::from_token(name),
        });
        // The LF, which is known to be there.
        controls.skip();
        at = end + 2;
    }
}

/// The index after the whitespace at `at`, which is most often a single SP.
#[inline]
fn value_start(bytes: &[u8], at: usize, end: usize) -> usize {
    match &bytes[at..end] {
        [b' ', first, ..] if *first > b' ' => at + 1,
        value => at + value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count(),
    }
}

/// Names what is wrong with the line that `bytes` begin with, or finds that it is not whole.
#[cold]
fn line_fault(bytes: &[u8]) -> Stop {
    let (name, after_name) = bytes.split_at(scan::token_end(bytes, 0));
    match after_name {
        [b':', ..] if name.is_empty() => HeadError::EmptyFieldName.into(),
        [b':', value @ ..] => value_fault(&value[scan::field_value_end(value, 0)..]),
        _ => name_fault(name, after_name),
    }
}

/// A head's indices fit: no byte beyond 4 GiB is looked at.
#[inline]
fn span(start: usize, length: usize) -> Span {
    Span { start: start as u32, end: (start + length) as u32 }
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

    type Case = (&'static [u8], KnownField, &'static [u8], &'static [u8]);

    /// RFC 9110 5.1, 5.5 and RFC 9112 5
    #[test]
    fn names_and_values_are_split_and_trimmed() {
        use KnownField::{Cookie, Unknown, Via};
        let table: [Case; 15] = [
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
        let fields = parsed(b"b: 1\r\na: 2\r\nb: 3\r\n\r\n").ok().flatten().expect("a whole head");
        let values: Vec<_> = fields.iter().map(|(_, _, value)| &value[..]).collect();
        assert_eq!(values, [b"1", b"2", b"3"]);
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
