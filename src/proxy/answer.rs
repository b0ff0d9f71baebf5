//! The answer's head as the client gets it.

use super::forward::copy_fields;
use super::request_id::Id;
use super::via;
use crate::h1::encode;
use crate::message::{
    ConnectionOptions, HttpDate, KnownField, MessageBodyLength, ResponseHead, StatusCode, Version,
    is_hop_by_hop,
};

/// How the client's connection goes on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It takes another request; `stated` where the client's version needs to be told so.
    KeepAlive {
        /// Whether the answer carries `Connection: keep-alive` (for HTTP/1.0, RFC 9112 9.3).
        stated: bool,
    },
    /// It is closed after the answer.
    Close,
}

/// How the body of an answer is framed for a client (RFC 9112 6): as it came, but for what the client's version cannot
/// read, and chunked where the replica's connection end was the body's.
pub fn client_body_length(body: MessageBodyLength, client: Version) -> MessageBodyLength {
    match (body, client) {
        (MessageBodyLength::Chunked, Version::Http10) => MessageBodyLength::UntilClose,
        (MessageBodyLength::UntilClose, Version::Http11) => MessageBodyLength::Chunked,
        (body, _) => body,
    }
}

/// What an answer carries beside what its replica said.
#[derive(Clone, Copy, Debug)]
pub struct Additions<'a> {
    /// How the connection goes on.
    pub persistence: Persistence,
    /// Whether it is signed in a Via field.
    pub via: bool,
    /// The request's id, where answers carry one and this has none of its own.
    pub id: Option<Id<'a>>,
    /// When it was received, where the replica does not say when it was made (RFC 9110 6.6.1).
    pub date: Option<HttpDate>,
}

/// Appends the head of a replica's answer for the client, whose body will be framed as `body` says.
pub fn write_response(
    out: &mut Vec<u8>,
    head: &ResponseHead<'_>,
    options: &ConnectionOptions<'_>,
    body: MessageBodyLength,
    additions: &Additions<'_>,
) {
    encode::status_line_with_reason(out, Version::Http11, head.status, head.reason);
    // Where there is no body, Content-Length is what a GET would have had (RFC 9110 8.6), but for 1xx and 204, which
    // must not have it.
    let length_stays = match body {
        MessageBodyLength::Sized(_) => true,
        MessageBodyLength::None => !head.status.is_interim() && head.status != StatusCode::NO_CONTENT,
        MessageBodyLength::Chunked | MessageBodyLength::UntilClose => false,
    };
    copy_fields(out, &head.fields, |field| {
        (length_stays || field.known != KnownField::ContentLength)
            && !(additions.via && field.known == KnownField::Via)
            && !is_hop_by_hop(field.known, field.name, options)
    });
    if body == MessageBodyLength::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if additions.via {
        via::write(out, &head.fields, head.version);
    }
    if let Some(id) = additions.id.filter(|id| !id.ids.is_in(&head.fields)) {
        id.ids.write_line(out, id.text);
    }
    if let Some(date) = &additions.date {
        write_date(out, date);
    }
    write_persistence(out, additions.persistence);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of an interim answer (1xx but 101), or of the 101 that begins a tunnel, with its Upgrade field.
pub fn write_interim(out: &mut Vec<u8>, head: &ResponseHead<'_>, options: &ConnectionOptions<'_>) {
    encode::status_line_with_reason(out, Version::Http11, head.status, head.reason);
    copy_fields(out, &head.fields, |field| {
        field.known != KnownField::ContentLength && !is_hop_by_hop(field.known, field.name, options)
    });
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        out.extend_from_slice(b"Connection: upgrade\r\n");
        for value in head.fields.all(KnownField::Upgrade) {
            encode::field_line(out, b"Upgrade", value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the interim answer that a client waits for before it sends its body (RFC 9110 10.1.1).
pub fn write_continue(out: &mut Vec<u8>) {
    encode::status_line(out, Version::Http11, StatusCode::CONTINUE);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_date(out: &mut Vec<u8>, date: &HttpDate) {
    encode::field_line(out, b"Date", date.as_bytes());
}

pub(super) fn write_persistence(out: &mut Vec<u8>, persistence: Persistence) {
    match persistence {
        Persistence::KeepAlive { stated: false } => {}
        Persistence::KeepAlive { stated: true } => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        Persistence::Close => out.extend_from_slice(b"Connection: close\r\n"),
    }
}
