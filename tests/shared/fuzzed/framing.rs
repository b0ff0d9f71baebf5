//! How long a body is, by a second and plain reading of RFC 9112 6.3.

use ringway::message::MessageBodyLength;

/// A field line's name and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Two readers of a message could differ about its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// The values of every field of a name, in order.
pub(super) fn values<'a>(fields: &'a [Pair], name: &str) -> Vec<&'a [u8]> {
    let named = fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| &value[..]).collect()
}

/// What the fields of a message of HTTP/1.`minor` announce.
pub(super) fn announced(fields: &[Pair], minor: u8) -> Result<Option<MessageBodyLength>, Ambiguous> {
    let codings = values(fields, "Transfer-Encoding");
    let lengths = values(fields, "Content-Length");
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(None),
        ([], [length]) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let text = std::str::from_utf8(length).expect("digits");
            let length: i64 = text.parse().map_err(|_| Ambiguous)?;
            Ok(Some(MessageBodyLength::Sized(length.unsigned_abs())))
        }
        ([coding], []) if minor == 1 && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Some(MessageBodyLength::Chunked))
        }
        _ => Err(Ambiguous),
    }
}

/// The body of a request.
pub(super) fn of_request(method: &[u8], fields: &[Pair], minor: u8) -> Result<MessageBodyLength, Ambiguous> {
    let announced = announced(fields, minor)?;
    let has_zeros =
        values(fields, "Content-Length").iter().any(|length| length.len() > 1 && length[0] == b'0');
    match announced {
        None => Ok(MessageBodyLength::None),
        Some(_) if has_zeros || matches!(method, b"CONNECT" | b"TRACE") => Err(Ambiguous),
        Some(length) => Ok(length),
    }
}

/// The body of an answer to a request of `method`.
pub(super) fn of_answer(
    method: &[u8],
    status: u16,
    fields: &[Pair],
    minor: u8,
) -> Result<MessageBodyLength, Ambiguous> {
    if method == b"CONNECT" && (200..300).contains(&status) {
        return Ok(MessageBodyLength::None);
    }
    let announced = announced(fields, minor)?;
    let is_empty = matches!(announced, None | Some(MessageBodyLength::Sized(0)));
    match status {
        100..=199 | 204 if is_empty => Ok(MessageBodyLength::None),
        100..=199 | 204 => Err(Ambiguous),
        304 => Ok(MessageBodyLength::None),
        _ if method == b"HEAD" => Ok(MessageBodyLength::None),
        _ => Ok(announced.unwrap_or(MessageBodyLength::UntilClose)),
    }
}
