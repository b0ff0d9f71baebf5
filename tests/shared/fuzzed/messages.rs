//! Streams of messages as a strict reader reads them: heads by httparse, ends by the plain rules beside it.

use ringway::message::MessageBodyLength;

use super::chunked_reader::{self, Ending};
use super::framing::{self, Ambiguous, Pair, values};

/// The most field lines of a head: more than the proxy takes and adds.
const FIELDS_MAX: usize = 160;

/// A head of either kind; what does not apply is empty.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) status: u16,
    /// HTTP/1.`minor`.
    pub(super) minor: u8,
    pub(super) fields: Vec<Pair>,
    pub(super) length: usize,
}

/// A message, or the beginning of one with its whole head.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) head: Head,
    pub(super) framing: MessageBodyLength,
    pub(super) body: Vec<u8>,
    /// All of the body is there.
    pub(super) whole: bool,
    /// Where in its stream it ends.
    pub(super) end: usize,
}

/// How a stream of messages ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Between two messages, or within one.
    Sound,
    /// From this byte on in what is no message.
    Broken(usize),
}

impl Head {
    /// Whether Connection has this option.
    pub(super) fn says(&self, option: &str) -> bool {
        let options = values(&self.fields, "Connection");
        let mut options = options.iter().flat_map(|value| value.split(|&byte| byte == b','));
        options.any(|said| said.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    }

    fn with_fields(headers: &[httparse::Header<'_>], length: usize, minor: Option<u8>) -> Self {
        let fields =
            headers.iter().map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec())).collect();
        let minor = minor.unwrap_or_default();
        Head { method: Vec::new(), target: Vec::new(), status: 0, minor, fields, length }
    }
}

/// The request's head at the beginning of `bytes`, if it is whole.
pub(super) fn request_head(bytes: &[u8]) -> Result<Option<Head>, Ambiguous> {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let Some(length) = whole(bytes, request.parse(bytes))? else { return Ok(None) };
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    Ok(Some(Head {
        method: method.into(),
        target: target.into(),
        ..Head::with_fields(request.headers, length, request.version)
    }))
}

/// The answer's head at the beginning of `bytes`, if it is whole.
pub(super) fn answer_head(bytes: &[u8]) -> Result<Option<Head>, Ambiguous> {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let Some(length) = whole(bytes, answer.parse(bytes))? else { return Ok(None) };
    let status = answer.code.unwrap_or_default();
    Ok(Some(Head { status, ..Head::with_fields(answer.headers, length, answer.version) }))
}

/// httparse takes a bare LF for a line's end, and skips empty lines; nobody who is strict does.
fn whole(bytes: &[u8], parsed: httparse::Result<usize>) -> Result<Option<usize>, Ambiguous> {
    match parsed {
        Ok(httparse::Status::Complete(length)) => {
            let is_bare = |(at, &byte): (usize, &u8)| byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
            let strict = !bytes.starts_with(b"\r") && !bytes[..length].iter().enumerate().any(is_bare);
            if strict { Ok(Some(length)) } else { Err(Ambiguous) }
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(Ambiguous),
    }
}

/// The requests in `bytes`, the last of which may be cut. Where `empty_lines`, one may stand before each.
pub(super) fn requests(bytes: &[u8], empty_lines: bool) -> (Vec<Message>, Rest) {
    stream(bytes, |rest| {
        let skipped = if empty_lines && rest.starts_with(b"\r\n") { 2 } else { 0 };
        let Some(mut head) = request_head(&rest[skipped..])? else { return Ok(None) };
        head.length += skipped;
        let framing = framing::of_request(&head.method, &head.fields, head.minor)?;
        Ok(Some((head, framing)))
    })
}

/// The answers in `bytes` to requests of `methods`, interim ones among them, and GET from there on.
pub(super) fn answers(bytes: &[u8], methods: &[Vec<u8>]) -> (Vec<Message>, Rest) {
    let mut methods = methods.iter();
    let mut method: &[u8] = methods.next().map_or(b"GET", |method| method);
    stream(bytes, |rest| {
        let Some(head) = answer_head(rest)? else { return Ok(None) };
        let framing = framing::of_answer(method, head.status, &head.fields, head.minor)?;
        if head.status >= 200 {
            method = methods.next().map_or(b"GET", |method| method);
        }
        Ok(Some((head, framing)))
    })
}

fn stream(
    bytes: &[u8],
    mut head_of: impl FnMut(&[u8]) -> Result<Option<(Head, MessageBodyLength)>, Ambiguous>,
) -> (Vec<Message>, Rest) {
    let (mut messages, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (head, framing) = match head_of(&bytes[at..]) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(Ambiguous) => return (messages, Rest::Broken(at)),
        };
        let start = at + head.length;
        let (body, length) = body(&bytes[start..], framing);
        let (whole, broken) = (matches!(length, Ending::Whole(_)), length == Ending::Broken);
        at = if let Ending::Whole(length) = length { start + length } else { bytes.len() };
        messages.push(Message { head, framing, body, whole, end: at });
        if broken {
            return (messages, Rest::Broken(start));
        }
    }
    (messages, Rest::Sound)
}

fn body(rest: &[u8], framing: MessageBodyLength) -> (Vec<u8>, Ending) {
    let sized = |length: usize| (rest[..length].to_vec(), Ending::Whole(length));
    match framing {
        MessageBodyLength::None => sized(0),
        MessageBodyLength::Sized(length) if length <= rest.len() as u64 => sized(length as usize),
        MessageBodyLength::Sized(_) => (rest.to_vec(), Ending::NeedMore),
        MessageBodyLength::Chunked => chunked_reader::read(rest),
        MessageBodyLength::UntilClose => sized(rest.len()),
    }
}
