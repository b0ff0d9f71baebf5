//! Field lines: field-name ":" OWS field-value OWS CRLF (RFC 9112 5).

use super::error::{HeadError, Stop};
use super::head::{HeadLimits, line_end};
use super::scan;
use crate::message::{FieldLine, FieldTable, KnownField, Span};

/// Reads field lines from `start` into `table`, which is cleared first, up to and including the empty line that ends
/// the section; returns the index after it.
#[inline]
pub(super) fn parse_section(
    bytes: &[u8],
    start: usize,
    table: &mut FieldTable,
    limits: &HeadLimits,
) -> Result<usize, Stop> {
    table.clear();
    let mut at = start;
    loop {
        let name_end = scan::token_end(bytes, at);
        if name_end == at || bytes.get(name_end) != Some(&b':') {
            return section_end(bytes, at, name_end);
        }
        if table.len() >= limits.fields_max {
            return Err(HeadError::TooManyFields.into());
        }
        let value_start = whitespace_end(bytes, name_end + 1);
        let value_end = scan::field_value_end(bytes, value_start);
        let line_start = at;
        at = match bytes.get(value_end..) {
            Some([b'\r', b'\n', ..]) => value_end + 2,
            _ => return Err(value_fault(bytes, value_end)),
        };
        table.push(FieldLine {
            name: span(line_start, name_end),
            value: span(value_start, trimmed_end(bytes, value_start, value_end)),
            known: KnownField::from_name(&bytes[line_start..name_end]),
        });
    }
}

/// A head's indices fit: no byte beyond 4 GiB is looked at.
#[inline]
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

#[inline]
fn whitespace_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn trimmed_end(bytes: &[u8], start: usize, mut end: usize) -> usize {
    while end > start && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    end
}

/// The line at `at` does not begin with a name and a colon: it is the empty line, or something is wrong.
fn section_end(bytes: &[u8], at: usize, name_end: usize) -> Result<usize, Stop> {
    let fault = match (bytes.get(name_end), name_end == at) {
        (None, _) => return Err(Stop::NeedMore),
        (Some(b'\r' | b'\n'), true) => return line_end(bytes, at),
        (Some(b':'), true) => HeadError::EmptyFieldName,
        (Some(b' ' | b'\t'), true) => HeadError::LineFolding,
        (Some(b' ' | b'\t'), false) => HeadError::SpaceBeforeColon,
        (Some(b'\n'), false) => HeadError::BareLineFeed,
        (Some(b'\r'), false) => HeadError::MissingColon,
        (Some(_), _) => HeadError::InvalidFieldName,
    };
    Err(fault.into())
}

/// The value that ends at `value_end` is not followed by CRLF.
#[cold]
fn value_fault(bytes: &[u8], value_end: usize) -> Stop {
    match bytes.get(value_end) {
        None => Stop::NeedMore,
        Some(b'\n') => HeadError::BareLineFeed.into(),
        Some(b'\r') if value_end + 1 == bytes.len() => Stop::NeedMore,
        Some(b'\r') => HeadError::BareCarriageReturn.into(),
        Some(_) => HeadError::InvalidFieldValue.into(),
    }
}
