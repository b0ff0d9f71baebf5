//! Bodies of every framing behind one interface.

use std::fmt;

use super::chunked::{ChunkedDecoder, ChunkedError};
use crate::message::MessageBodyLength;

/// What a decoder makes of a piece of input.
///
/// After `Data` the caller forwards `input[skip..skip + data]` and calls again with what follows it, even if that is
/// empty; after `NeedMore` it reads more. A decoder that is done answers `End { consumed: 0 }` to whatever it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyStep {
    /// Skip `skip` bytes of framing; the next `data` bytes, at least one, belong to the body.
    Data {
        /// Bytes of framing.
        skip: usize,
        /// Bytes of the body after them.
        data: usize,
    },
    /// The whole input is used up, without data.
    NeedMore,
    /// The body ends after `consumed` bytes of framing; what follows belongs to the next message.
    End {
        /// Bytes of framing.
        consumed: usize,
    },
}

/// The connection ended within a body that has a definite end (RFC 9112 8): the message is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

/// Counts the bytes of a body whose length is known.
#[derive(Clone, Copy, Debug)]
pub struct SizedDecoder {
    left: u64,
}

impl SizedDecoder {
    /// A body of `length` bytes.
    pub const fn new(length: u64) -> SizedDecoder {
        SizedDecoder { left: length }
    }

    /// Bytes that are still to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next piece of the body.
    pub fn decode(&mut self, input: &[u8]) -> BodyStep {
        if self.left == 0 {
            return BodyStep::End { consumed: 0 };
        }
        if input.is_empty() {
            return BodyStep::NeedMore;
        }
        let data = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        self.left -= data as u64;
        BodyStep::Data { skip: 0, data }
    }
}

/// A decoder for whichever framing a message has.
#[derive(Clone, Copy, Debug)]
pub enum BodyDecoder {
    /// There is no body.
    None,
    /// Content-Length.
    Sized(SizedDecoder),
    /// The chunked transfer coding.
    Chunked(ChunkedDecoder),
    /// All there is until the connection ends.
    UntilClose,
}

impl BodyDecoder {
    /// The decoder for a body of this length.
    pub const fn new(length: MessageBodyLength) -> BodyDecoder {
        match length {
            MessageBodyLength::None => BodyDecoder::None,
            MessageBodyLength::Sized(length) => BodyDecoder::Sized(SizedDecoder::new(length)),
            MessageBodyLength::Chunked => BodyDecoder::Chunked(ChunkedDecoder::new()),
            MessageBodyLength::UntilClose => BodyDecoder::UntilClose,
        }
    }

    /// Takes the next piece of the body.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<BodyStep, ChunkedError> {
        match self {
            BodyDecoder::None => Ok(BodyStep::End { consumed: 0 }),
            BodyDecoder::Sized(decoder) => Ok(decoder.decode(input)),
            BodyDecoder::Chunked(decoder) => decoder.decode(input),
            BodyDecoder::UntilClose if input.is_empty() => Ok(BodyStep::NeedMore),
            BodyDecoder::UntilClose => Ok(BodyStep::Data { skip: 0, data: input.len() }),
        }
    }

    /// How many bytes are still to come, if that is known.
    pub fn length_left(&self) -> Option<u64> {
        match self {
            BodyDecoder::None => Some(0),
            BodyDecoder::Sized(decoder) => Some(decoder.left()),
            BodyDecoder::Chunked(_) | BodyDecoder::UntilClose => None,
        }
    }

    /// Whether the body's last byte has been taken; never true of one that lasts until the connection ends.
    pub fn is_done(&self) -> bool {
        match self {
            BodyDecoder::None => true,
            BodyDecoder::Sized(decoder) => decoder.left() == 0,
            BodyDecoder::Chunked(decoder) => decoder.is_done(),
            BodyDecoder::UntilClose => false,
        }
    }

    /// Whether the body is whole if the connection ends now.
    pub fn on_eof(&self) -> Result<(), Truncated> {
        if self.is_done() || matches!(self, BodyDecoder::UntilClose) { Ok(()) } else { Err(Truncated) }
    }
}

impl fmt::Display for Truncated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection ended within a body")
    }
}

impl std::error::Error for Truncated {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sized_body_ends_after_its_bytes_and_leaves_the_rest() {
        let mut decoder = BodyDecoder::new(MessageBodyLength::Sized(5));
        assert_eq!(decoder.decode(b""), Ok(BodyStep::NeedMore));
        assert_eq!(decoder.decode(b"abc"), Ok(BodyStep::Data { skip: 0, data: 3 }));
        assert_eq!(decoder.on_eof(), Err(Truncated));
        assert_eq!(decoder.decode(b"deGET /"), Ok(BodyStep::Data { skip: 0, data: 2 }));
        assert_eq!(decoder.decode(b"GET /"), Ok(BodyStep::End { consumed: 0 }));
        assert_eq!(decoder.on_eof(), Ok(()));
    }

    #[test]
    fn an_empty_body_is_done_before_any_byte() {
        for length in [MessageBodyLength::None, MessageBodyLength::Sized(0)] {
            let mut decoder = BodyDecoder::new(length);
            assert!(decoder.is_done());
            assert_eq!(decoder.on_eof(), Ok(()));
            assert_eq!(decoder.decode(b"next"), Ok(BodyStep::End { consumed: 0 }));
        }
    }

    #[test]
    fn a_body_until_close_is_never_done_and_never_truncated() {
        let mut decoder = BodyDecoder::new(MessageBodyLength::UntilClose);
        assert_eq!(decoder.decode(b""), Ok(BodyStep::NeedMore));
        assert_eq!(decoder.decode(b"abc"), Ok(BodyStep::Data { skip: 0, data: 3 }));
        assert!(!decoder.is_done());
        assert_eq!(decoder.on_eof(), Ok(()));
    }

    #[test]
    fn a_chunked_body_is_truncated_at_every_byte_but_its_last() {
        let body = b"3\r\nabc\r\n0\r\n\r\n";
        for length in 0..=body.len() {
            let mut decoder = BodyDecoder::new(MessageBodyLength::Chunked);
            let mut rest = &body[..length];
            while let Ok(BodyStep::Data { skip, data }) = decoder.decode(rest) {
                rest = &rest[skip + data..];
            }
            let expected = if length == body.len() { Ok(()) } else { Err(Truncated) };
            assert_eq!(decoder.on_eof(), expected, "{length} bytes");
        }
    }
}
