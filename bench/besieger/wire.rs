//! HTTP/1.1 messages as a strict client and a strict server read them, by a parser that is not Ringway's.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const HEAD_BYTES_MAX: usize = 64 * 1024;
const CHUNK_LINE_BYTES_MAX: usize = 64;

/// What ended the reading of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The stream ended before the message did.
    Ended,
    /// It was reset, or failed in another way.
    Reset,
    /// What came is no message.
    Malformed(String),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Broken::Reset
    }
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    /// A message that may have no body, or one that ends with the connection.
    Unstated,
}

/// A head's first line, and of its fields what matters here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// A request's method and target, or an answer's status and nothing.
    pub(crate) what: (String, String),
    pub(crate) framing: Framing,
    pub(crate) closes: bool,
    /// `X-Token`, as it was written.
    pub(crate) token: Option<String>,
}

impl Head {
    pub(crate) fn status(&self) -> &str {
        &self.what.0
    }

    fn new(what: (String, String), fields: &[httparse::Header<'_>]) -> Result<Head, Broken> {
        let mut head = Head { what, framing: Framing::Unstated, closes: false, token: None };
        for field in fields {
            let value = String::from_utf8_lossy(field.value).into_owned();
            match field.name.to_ascii_lowercase().as_str() {
                "content-length" | "transfer-encoding" if head.framing != Framing::Unstated => {
                    return Err(Broken::Malformed("its length is stated twice".to_owned()));
                }
                "content-length" => {
                    let length = value.parse().map_err(|_| Broken::Malformed(format!("length {value}")))?;
                    head.framing = Framing::Length(length);
                }
                "transfer-encoding" if value == "chunked" => head.framing = Framing::Chunked,
                "transfer-encoding" => return Err(Broken::Malformed(format!("coding {value}"))),
                "connection" => head.closes |= value.eq_ignore_ascii_case("close"),
                "x-token" => head.token = Some(value),
                _ => {}
            }
        }
        Ok(head)
    }
}

/// A head and its length, once all of it is there.
type Parsed = Result<Option<(Head, usize)>, Broken>;

/// A stream's bytes, message by message.
pub(crate) struct Messages<R> {
    stream: R,
    bytes: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(crate) fn new(stream: R) -> Self {
        Messages { stream, bytes: Vec::new() }
    }

    pub(crate) fn stream(&self) -> &R {
        &self.stream
    }

    /// What has come and belongs to no message that was read.
    pub(crate) fn left(&self) -> &[u8] {
        &self.bytes
    }

    /// The next request's head; `None` at an end between two messages.
    pub(crate) async fn request(&mut self) -> Result<Option<Head>, Broken> {
        self.head(parse_request).await
    }

    /// The next final answer's head; `None` at an end between two messages.
    pub(crate) async fn answer(&mut self) -> Result<Option<Head>, Broken> {
        loop {
            match self.head(parse_answer).await? {
                Some(head) if head.status().starts_with('1') => {}
                head => return Ok(head),
            }
        }
    }

    async fn head(&mut self, parse: fn(&[u8]) -> Parsed) -> Result<Option<Head>, Broken> {
        loop {
            if let Some((head, length)) = parse(&self.bytes)? {
                self.bytes.drain(..length);
                return Ok(Some(head));
            }
            if self.bytes.len() > HEAD_BYTES_MAX {
                return Err(Broken::Malformed("its head does not end".to_owned()));
            }
            let empty = self.bytes.is_empty();
            match self.fill().await {
                Err(Broken::Ended) if empty => return Ok(None),
                filled => filled?,
            }
        }
    }

    /// Appends a body to `body`; what came of it is there also where it was broken off.
    pub(crate) async fn body(&mut self, framing: Framing, body: &mut Vec<u8>) -> Result<(), Broken> {
        match framing {
            Framing::Unstated => Ok(()),
            Framing::Length(length) => self.take(length, body).await,
            Framing::Chunked => loop {
                let size = self.chunk_size().await?;
                self.take(size, body).await?;
                let mut line_end = Vec::new();
                self.take(2, &mut line_end).await?;
                if line_end != b"\r\n" {
                    return Err(Broken::Malformed(format!("a chunk ends with {line_end:?}")));
                }
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    async fn chunk_size(&mut self) -> Result<usize, Broken> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
                self.bytes.drain(..end + 2);
                return usize::from_str_radix(&line, 16)
                    .map_err(|_| Broken::Malformed(format!("chunk {line:?}")));
            }
            if self.bytes.len() > CHUNK_LINE_BYTES_MAX {
                return Err(Broken::Malformed("a chunk's size does not end".to_owned()));
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, mut length: usize, to: &mut Vec<u8>) -> Result<(), Broken> {
        loop {
            let count = length.min(self.bytes.len());
            to.extend(self.bytes.drain(..count));
            length -= count;
            if length == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Broken> {
        match self.stream.read_buf(&mut self.bytes).await? {
            0 => Err(Broken::Ended),
            _ => Ok(()),
        }
    }
}

fn parse_request(bytes: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
            let what = (text(request.method), text(request.path));
            Ok(Some((Head::new(what, request.headers)?, length)))
        }
        Err(error) => Err(malformed(error, bytes)),
    }
}

fn parse_answer(bytes: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    match answer.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let what = (answer.code.unwrap_or_default().to_string(), String::new());
            Ok(Some((Head::new(what, answer.headers)?, length)))
        }
        Err(error) => Err(malformed(error, bytes)),
    }
}

fn malformed(error: httparse::Error, bytes: &[u8]) -> Broken {
    let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
    Broken::Malformed(format!("{error} in {beginning:?}"))
}

/// `body` in chunks of these sizes, over and over, with the last chunk.
pub(crate) fn chunked(body: &[u8], mut size: impl FnMut() -> usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 64);
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(size().clamp(1, rest.len()));
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = after;
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> (Result<Option<Head>, Broken>, Result<(), Broken>, Vec<u8>) {
        let mut messages = Messages::new(bytes);
        let head = messages.answer().await;
        let framing =
            head.as_ref().ok().and_then(Option::as_ref).map_or(Framing::Unstated, |head| head.framing);
        let mut body = Vec::new();
        let ended = messages.body(framing, &mut body).await;
        (head, ended, body)
    }

    #[tokio::test]
    async fn answers_cut_anywhere_are_seen_to_be_cut() {
        let chunks = chunked(b"hello world", || 4);
        let chunks = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), &chunks].concat();
        let counted = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX-Token: 7\r\nContent-Length: 11\r\n\r\nhello world";
        for whole in [chunks.as_slice(), counted] {
            let (head, ended, body) = read(whole).await;
            assert_eq!(
                (head.unwrap().unwrap().status(), ended, body.as_slice()),
                ("200", Ok(()), b"hello world".as_slice())
            );
            for cut in 1..whole.len() {
                let (head, ended, body) = read(&whole[..cut]).await;
                let between = matches!(head, Ok(None));
                assert!(between || head.is_err() || ended == Err(Broken::Ended), "cut at {cut}");
                assert!(b"hello world".starts_with(&body));
            }
        }
    }

    #[tokio::test]
    async fn a_length_that_is_stated_twice_is_malformed() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(matches!(read(bytes).await.0, Err(Broken::Malformed(_))));
    }
}
