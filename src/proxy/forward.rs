//! The request head as the replica gets it.

use super::origin::Peer;
use super::request_id::RequestIds;
use super::via;
use crate::base::forwarding::{ForwardingPolicy, Via};
use crate::h1::encode;
use crate::message::{
    ConnectionOptions, Field, FieldLine, Fields, HOP_BY_HOP, KnownField, KnownSet, MessageBodyLength,
    RequestHead, Version,
};

/// What a forwarded request says about its connection to us.
#[derive(Clone, Copy, Debug)]
pub struct ForwardedFrom<'a> {
    /// Who sent it.
    pub peer: &'a Peer,
    /// What replicas are told of that.
    pub policy: &'a ForwardingPolicy,
    /// Where requests are given ids.
    pub ids: Option<&'a RequestIds>,
    /// How many more proxies may forward it, where it says so (RFC 9110 7.6.2).
    pub forwards_left: Option<u32>,
    /// Whether the request asks for an upgrade that may become a tunnel.
    pub upgrade: bool,
    /// Whether what the client expects is the replica's to answer; else its Expect field ends here.
    pub expects: bool,
}

/// Whether the client may wait for an interim answer before it sends its body (RFC 9110 10.1.1; HTTP/1.0 knows none).
pub fn expects_continue(head: &RequestHead<'_>) -> bool {
    let mut expectations = head.fields.all(KnownField::Expect);
    head.version == Version::Http11 && expectations.any(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

/// Whether the request asks to leave HTTP for another protocol over the same connection, in a way that is forwarded.
///
/// Only without a body, so that bytes sent early cannot be taken for one, and never to HTTP/2 in clear text, which
/// would carry requests past every rule of the proxy (RFC 9113 3.1 has dropped it).
pub fn asks_for_upgrade(
    head: &RequestHead<'_>,
    options: &ConnectionOptions<'_>,
    body: MessageBodyLength,
) -> bool {
    options.upgrade
        && head.version == Version::Http11
        && matches!(body, MessageBodyLength::None | MessageBodyLength::Sized(0))
        && head.fields.contains(KnownField::Upgrade)
        && !head.fields.members(KnownField::Upgrade).any(|protocol| {
            protocol.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"h2"))
                || protocol.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"http"))
        })
}

/// Appends the head that is sent to a replica: the client's, in origin-form, without the fields of its connection
/// (RFC 9110 7.6.1), with ours and with where it came from.
pub fn write_request(
    out: &mut Vec<u8>,
    head: &RequestHead<'_>,
    options: &ConnectionOptions<'_>,
    body: MessageBodyLength,
    from: ForwardedFrom<'_>,
) {
    encode::origin_request_line(out, head.method, head.method_token, &head.target, Version::Http11);
    encode::field_line(out, b"Host", head.authority().map_or(&b""[..], |authority| authority.as_bytes()));
    let removed = removed(from);
    let new_id = from.ids.filter(|ids| ids.brought(&head.fields, options).is_none());
    copy_fields(out, &head.fields, |field| match field.known {
        // An empty line must not stand before the new one.
        _ if new_id.is_some_and(|ids| ids.has_field(field)) => false,
        KnownField::Unknown => !options.nominates(field.name) && !from.peer.is_refused_claim(field.name),
        known => !removed.contains(known),
    });
    if body == MessageBodyLength::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if let Some(left) = from.forwards_left {
        encode::number_field_line(out, b"Max-Forwards", u64::from(left));
    }
    from.peer.write(out, head, from.policy);
    if let Some(ids) = new_id {
        ids.write_line(out, &ids.invent());
    }
    if from.policy.via != Via::Off {
        via::write(out, &head.fields, head.version);
    }
    if from.upgrade {
        out.extend_from_slice(b"Connection: upgrade\r\n");
        for value in head.fields.all(KnownField::Upgrade) {
            encode::field_line(out, b"Upgrade", value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The fields that are not forwarded as they came.
fn removed(from: ForwardedFrom<'_>) -> KnownSet {
    const ALWAYS: KnownSet = HOP_BY_HOP.with(KnownSet::of(&[KnownField::Host]));
    const EXPECT: KnownSet = KnownSet::of(&[KnownField::Expect]);
    const VIA: KnownSet = KnownSet::of(&[KnownField::Via]);
    let expect = if from.expects { KnownSet::EMPTY } else { EXPECT };
    let via = if from.policy.via == Via::Off { KnownSet::EMPTY } else { VIA };
    const MAX_FORWARDS: KnownSet = KnownSet::of(&[KnownField::MaxForwards]);
    let max_forwards = if from.forwards_left.is_some() { MAX_FORWARDS } else { KnownSet::EMPTY };
    ALWAYS.with(max_forwards).with(expect).with(via).with(from.peer.removed(from.policy))
}

/// Names and values of the field lines of a head that [`write_request`] wrote, which holds no line end but its own.
pub fn written_fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|&byte| byte == b':')?);
        Some((name, value[1..].trim_ascii()))
    })
}

/// Appends the field lines that `keep` accepts, as they came. Lines that follow each other are copied in one piece:
/// most heads lose one line or none. A Content-Length between other whitespace than one space is written anew: tabs are
/// whitespace there (RFC 9112 5), but nginx for one takes them for an invalid length.
pub(super) fn copy_fields(out: &mut Vec<u8>, fields: &Fields<'_>, keep: impl Fn(&Field<'_>) -> bool) {
    let bytes = fields.bytes();
    let mut piece = 0..0;
    for (line, field) in fields.lines().iter().zip(fields.iter()) {
        let (start, end) = (line.name.start as usize, line.value.end as usize);
        if field.known == KnownField::ContentLength && keep(&field) && !is_plain(bytes, line) {
            copy_piece(out, &bytes[piece]);
            piece = 0..0;
            encode::field_line(out, field.name, field.value);
        } else if keep(&field) {
            piece.start = if piece.is_empty() { start } else { piece.start };
            piece.end = end;
        } else {
            copy_piece(out, &bytes[piece]);
            piece = 0..0;
        }
    }
    copy_piece(out, &bytes[piece]);
}

/// Whether one space stands before the value, and nothing but the line's end behind it.
fn is_plain(bytes: &[u8], line: &FieldLine) -> bool {
    let (name_end, value_end) = (line.name.end as usize, line.value.end as usize);
    bytes.get(name_end..line.value.start as usize) == Some(b": ") && bytes.get(value_end) == Some(&b'\r')
}

fn copy_piece(out: &mut Vec<u8>, piece: &[u8]) {
    if !piece.is_empty() {
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{self, HeadLimits, Parse};

    fn copied(fields: &str) -> String {
        let bytes = format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let mut table = Default::default();
        let Ok(Parse::Complete { head, .. }) =
            h1::parse_request(bytes.as_bytes(), &mut table, &HeadLimits::default())
        else {
            panic!("{bytes}")
        };
        let mut out = Vec::new();
        copy_fields(&mut out, &head.fields, |field| field.known != KnownField::Host);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_a_space_stands_around_a_content_length() {
        for length in [" 3", "\t3", "3", "  3", " \t3", " 3 ", " 3\t", "\t3\t"] {
            for (before, after) in
                [("", ""), ("A: 1\r\n", ""), ("", "B:\t2\r\n"), ("A: 1\r\n", "B:\t2\r\nC: 3\r\n")]
            {
                let fields = format!("{before}Content-Length:{length}\r\n{after}");
                let expected = format!("{before}Content-Length: 3\r\n{after}");
                assert_eq!(copied(&format!("Host: a\r\n{fields}")), expected, "{fields:?}");
                assert_eq!(copied(&format!("{fields}Host: a\r\n")), expected, "{fields:?}");
            }
        }
    }
}
