//! The chunked transfer coding (RFC 9112 7.1), decoded without copying.

use std::fmt;

use super::body::BodyStep;
use super::chunk_extension::{CHUNK_EXTENSION_BYTES_MAX, ExtensionPlace};
use super::framing::BODY_BYTES_MAX;
use super::scan::is_field_value_byte;
use crate::message::is_token_byte;

/// The digits of a chunk size, leading zeros included.
pub const CHUNK_SIZE_DIGITS_MAX: u8 = 16;
/// The trailer section in bytes, without its last empty line.
pub const TRAILER_BYTES_MAX: u16 = 8 * 1024;

/// What breaks a chunked body: 400 in a request, 502 or a cut in a response; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkedError {
    /// A chunk size is missing, or is not hexadecimal.
    InvalidSize,
    /// A chunk size has more than [`CHUNK_SIZE_DIGITS_MAX`] digits, or exceeds [`BODY_BYTES_MAX`].
    SizeTooLong,
    /// A chunk extension breaks the grammar of RFC 9112 7.1.1.
    InvalidExtension,
    /// The extensions of one chunk exceed [`CHUNK_EXTENSION_BYTES_MAX`].
    ExtensionTooLong,
    /// A line ends with LF alone.
    BareLineFeed,
    /// A CR is not followed by LF.
    BareCarriageReturn,
    /// Chunk data is not followed by CRLF: it is longer or shorter than its size.
    DataNotTerminated,
    /// A trailer field breaks the rules for field lines.
    InvalidTrailer,
    /// The trailer section exceeds [`TRAILER_BYTES_MAX`].
    TrailerTooLong,
}

/// A place in a chunked body, before the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Size { digits: u8 },
    Extension(ExtensionPlace),
    SizeLineFeed,
    Data,
    DataCarriageReturn,
    DataLineFeed,
    TrailerLine,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    Done,
}

/// Decodes one chunked body; a small value without buffers.
///
/// Trailer fields are checked and discarded, as RFC 9110 6.5.1 lets a recipient do.
#[derive(Clone, Copy, Debug)]
pub struct ChunkedDecoder {
    place: Place,
    /// Bytes of the current extension or trailer section.
    section_bytes: u16,
    /// While reading a size, its value; in data, what is left of the chunk.
    chunk_left: u64,
    data_bytes: u64,
    framing_bytes: u64,
}

impl Default for ChunkedDecoder {
    fn default() -> ChunkedDecoder {
        ChunkedDecoder::new()
    }
}

impl ChunkedDecoder {
    /// A decoder at the beginning of a body.
    pub const fn new() -> ChunkedDecoder {
        let place = Place::Size { digits: 0 };
        ChunkedDecoder { place, section_bytes: 0, chunk_left: 0, data_bytes: 0, framing_bytes: 0 }
    }

    /// Takes the next piece of the body; see [`BodyStep`] for what the caller does with the answer.
    pub fn decode(&mut self, input: &[u8]) -> Result<BodyStep, ChunkedError> {
        for (index, &byte) in input.iter().enumerate() {
            match self.place {
                Place::Done => return Ok(self.step_end(index)),
                Place::Data => return Ok(self.step_data(index, input.len() - index)),
                place => self.place = self.after(place, byte)?,
            }
        }
        if self.place == Place::Done {
            return Ok(self.step_end(input.len()));
        }
        self.framing_bytes += input.len() as u64;
        Ok(BodyStep::NeedMore)
    }

    /// Whether the last byte of the body has been taken.
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Data bytes announced to the caller so far.
    pub const fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// All other bytes so far: sizes, extensions, line ends, trailers. Set against `data_bytes` it shows a peer that
    /// floods with tiny chunks.
    pub const fn framing_bytes(&self) -> u64 {
        self.framing_bytes
    }

    fn step_end(&mut self, consumed: usize) -> BodyStep {
        self.framing_bytes += consumed as u64;
        BodyStep::End { consumed }
    }

    fn step_data(&mut self, skip: usize, available: usize) -> BodyStep {
        let data = usize::try_from(self.chunk_left).unwrap_or(usize::MAX).min(available);
        self.chunk_left -= data as u64;
        if self.chunk_left == 0 {
            self.place = Place::DataCarriageReturn;
        }
        self.framing_bytes += skip as u64;
        self.data_bytes = self.data_bytes.saturating_add(data as u64);
        BodyStep::Data { skip, data }
    }

    /// The place after a framing `byte` at `place`.
    fn after(&mut self, place: Place, byte: u8) -> Result<Place, ChunkedError> {
        match place {
            Place::Size { digits } => self.after_size(digits, byte),
            Place::Extension(extension) => self.after_extension(extension, byte),
            Place::SizeLineFeed => line_feed(byte, self.size_complete()),
            Place::DataCarriageReturn if byte == b'\r' => Ok(Place::DataLineFeed),
            Place::DataLineFeed if byte == b'\n' => Ok(Place::Size { digits: 0 }),
            Place::DataCarriageReturn | Place::DataLineFeed => Err(ChunkedError::DataNotTerminated),
            Place::LastLineFeed => line_feed(byte, Place::Done),
            Place::TrailerLineFeed => line_feed(byte, Place::TrailerLine),
            Place::TrailerLine if byte == b'\r' => Ok(Place::LastLineFeed),
            Place::TrailerLine | Place::TrailerName | Place::TrailerValue => self.after_trailer(place, byte),
            Place::Data | Place::Done => Ok(place),
        }
    }

    fn after_size(&mut self, digits: u8, byte: u8) -> Result<Place, ChunkedError> {
        if let Some(digit) = (byte as char).to_digit(16) {
            if digits == CHUNK_SIZE_DIGITS_MAX || self.chunk_left > BODY_BYTES_MAX >> 4 {
                return Err(ChunkedError::SizeTooLong);
            }
            self.chunk_left = self.chunk_left << 4 | u64::from(digit);
            return Ok(Place::Size { digits: digits + 1 });
        }
        match byte {
            b'\n' => Err(ChunkedError::BareLineFeed),
            _ if digits == 0 => Err(ChunkedError::InvalidSize),
            b'\r' => Ok(Place::SizeLineFeed),
            b';' | b' ' | b'\t' => {
                self.section_bytes = 0;
                self.after_extension(ExtensionPlace::BeforeSemicolon, byte)
            }
            _ => Err(ChunkedError::InvalidSize),
        }
    }

    fn after_extension(&mut self, place: ExtensionPlace, byte: u8) -> Result<Place, ChunkedError> {
        match byte {
            b'\r' if place.may_end() => return Ok(Place::SizeLineFeed),
            b'\n' => return Err(ChunkedError::BareLineFeed),
            _ => {}
        }
        let place = place.after(byte).ok_or(ChunkedError::InvalidExtension)?;
        self.section_bytes += 1;
        if self.section_bytes > CHUNK_EXTENSION_BYTES_MAX {
            return Err(ChunkedError::ExtensionTooLong);
        }
        Ok(Place::Extension(place))
    }

    fn size_complete(&mut self) -> Place {
        if self.chunk_left > 0 {
            return Place::Data;
        }
        self.section_bytes = 0;
        Place::TrailerLine
    }

    fn after_trailer(&mut self, place: Place, byte: u8) -> Result<Place, ChunkedError> {
        self.section_bytes += 1;
        if self.section_bytes > TRAILER_BYTES_MAX {
            return Err(ChunkedError::TrailerTooLong);
        }
        match (place, byte) {
            (_, b'\n') => Err(ChunkedError::BareLineFeed),
            (Place::TrailerName, b':') => Ok(Place::TrailerValue),
            (Place::TrailerLine | Place::TrailerName, _) if is_token_byte(byte) => Ok(Place::TrailerName),
            (Place::TrailerValue, b'\r') => Ok(Place::TrailerLineFeed),
            (Place::TrailerValue, _) if is_field_value_byte(byte) => Ok(Place::TrailerValue),
            _ => Err(ChunkedError::InvalidTrailer),
        }
    }
}

fn line_feed(byte: u8, then: Place) -> Result<Place, ChunkedError> {
    if byte == b'\n' { Ok(then) } else { Err(ChunkedError::BareCarriageReturn) }
}

impl fmt::Display for ChunkedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ChunkedError::InvalidSize => "a chunk size is not hexadecimal",
            ChunkedError::SizeTooLong => "a chunk size has too many digits or is too large",
            ChunkedError::InvalidExtension => "a chunk extension is malformed",
            ChunkedError::ExtensionTooLong => "the extensions of a chunk are too long",
            ChunkedError::BareLineFeed => "a line of the chunked framing ends with LF without CR",
            ChunkedError::BareCarriageReturn => "a CR in the chunked framing is not followed by LF",
            ChunkedError::DataNotTerminated => "chunk data is not followed by CRLF",
            ChunkedError::InvalidTrailer => "a trailer field is malformed",
            ChunkedError::TrailerTooLong => "the trailer section is too long",
        })
    }
}

impl std::error::Error for ChunkedError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ChunkedError::*;
    use super::*;

    /// The data and what is left over of a body fed in `pieces`, or the error; none if it is not finished.
    type Decoded = Result<Option<(Vec<u8>, Vec<u8>)>, ChunkedError>;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
        let mut decoder = ChunkedDecoder::new();
        let (mut data, mut left, mut taken) = (Vec::new(), Vec::new(), 0);
        for piece in pieces {
            let mut rest = piece;
            while !decoder.is_done() {
                match decoder.decode(rest)? {
                    BodyStep::Data { skip, data: length } => {
                        data.extend_from_slice(&rest[skip..skip + length]);
                        rest = &rest[skip + length..];
                        taken += skip + length;
                    }
                    BodyStep::NeedMore => {
                        taken += rest.len();
                        rest = &[];
                        break;
                    }
                    BodyStep::End { consumed } => {
                        rest = &rest[consumed..];
                        taken += consumed;
                    }
                }
            }
            left.extend_from_slice(rest);
        }
        assert_eq!(decoder.data_bytes(), data.len() as u64);
        assert_eq!(decoder.data_bytes() + decoder.framing_bytes(), taken as u64);
        Ok(decoder.is_done().then_some((data, left)))
    }

    /// The same whole, cut in two at every byte, and byte by byte.
    fn decode_every_way(bytes: &[u8]) -> Decoded {
        let whole = decode([bytes]);
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(decode([head, tail]), whole, "{} cut at {cut}", bytes.escape_ascii());
        }
        assert_eq!(decode(bytes.chunks(1)), whole, "{} byte by byte", bytes.escape_ascii());
        whole
    }

    #[test]
    fn whole_bodies_yield_their_data_and_leave_what_follows() {
        let table: [(&str, &str, &str); 11] = [
            ("0\r\n\r\n", "", ""),
            ("0\r\n\r\nGET / HTTP/1.1", "", "GET / HTTP/1.1"),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\nx", "hello world", "x"),
            ("0000000000000003\r\n\r\n1\r\n0\r\n\r\n", "\r\n1", ""),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
            ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
            ("1;a=\"\\\"\";b\r\nx\r\n0;c\r\n\r\n", "x", ""),
            ("1 ; a\r\nx\r\n0\r\n\r\n", "x", ""),
            ("0\r\nA: b\r\nC:\r\n\r\nrest", "", "rest"),
            ("1\r\nx\r\n0\r\nContent-Length: 9\r\n\r\n", "x", ""),
        ];
        for (bytes, data, left) in table {
            let expected = Ok(Some((data.as_bytes().to_vec(), left.as_bytes().to_vec())));
            assert_eq!(decode_every_way(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn unfinished_bodies_ask_for_more() {
        let body = b"5;x=\"y\"\r\nhello\r\n0\r\nA: b\r\n\r\n";
        for length in 0..body.len() {
            assert_eq!(decode([&body[..length]]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn broken_bodies_name_their_fault() {
        let table: [(&[u8], ChunkedError); 33] = [
            (b"\r\n", InvalidSize),
            (b";a\r\n", InvalidSize),
            (b" 1\r\n", InvalidSize),
            (b"+1\r\n", InvalidSize),
            (b"-1\r\n", InvalidSize),
            (b"0x1\r\n", InvalidSize),
            (b"g\r\n", InvalidSize),
            (b"1_0\r\n", InvalidSize),
            (b"\xb2\r\n", InvalidSize),
            (b"00000000000000001\r\n", SizeTooLong),
            (b"10000000000000000\r\n", SizeTooLong),
            (b"8000000000000000\r\n", SizeTooLong),
            (b"ffffffffffffffff\r\n", SizeTooLong),
            (b"\n", BareLineFeed),
            (b"1\nx\r\n", BareLineFeed),
            (b"1\rx", BareCarriageReturn),
            (b"1\r\rx", BareCarriageReturn),
            (b"1;a\nx\r\n", BareLineFeed),
            (b"1;a\rx", BareCarriageReturn),
            (b"1 \r\n", InvalidExtension),
            (b"1;\r\n", InvalidExtension),
            (b"1;a=\"\n\"\r\n", BareLineFeed),
            (b"1;a=\"\r\n\"\r\n", InvalidExtension),
            (b"1\r\nxy\r\n", DataNotTerminated),
            (b"2\r\nx\r\n0\r\n\r\n", DataNotTerminated),
            (b"1\r\nx\n", DataNotTerminated),
            (b"1\r\nx\r0", DataNotTerminated),
            (b"0\r\n\rx", BareCarriageReturn),
            (b"0\r\n\n", BareLineFeed),
            (b"0\r\nA\r\n", InvalidTrailer),
            (b"0\r\nA : b\r\n", InvalidTrailer),
            (b"0\r\n folded\r\n", InvalidTrailer),
            (b"0\r\nA: \0\r\n", InvalidTrailer),
        ];
        for (bytes, fault) in table {
            assert_eq!(decode_every_way(bytes), Err(fault), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let extension = |length: usize| format!("0;{}\r\n\r\n", "a".repeat(length - 1));
        let longest = usize::from(CHUNK_EXTENSION_BYTES_MAX);
        assert_eq!(decode([extension(longest).as_bytes()]), Ok(Some((vec![], vec![]))));
        assert_eq!(decode([extension(longest + 1).as_bytes()]), Err(ExtensionTooLong));
        // The bound holds for each chunk alone.
        let twice = format!("1;{0}\r\nx\r\n0;{0}\r\n\r\n", "a".repeat(longest - 1));
        assert_eq!(decode([twice.as_bytes()]), Ok(Some((b"x".to_vec(), vec![]))));

        let trailer = |length: usize| format!("0\r\nA:{}\r\n\r\n", "b".repeat(length - 3));
        let longest = usize::from(TRAILER_BYTES_MAX);
        assert_eq!(decode([trailer(longest).as_bytes()]), Ok(Some((vec![], vec![]))));
        assert_eq!(decode([trailer(longest + 1).as_bytes()]), Err(TrailerTooLong));
    }

    #[test]
    fn the_largest_chunk_is_not_too_large() {
        let mut decoder = ChunkedDecoder::new();
        let step = decoder.decode(b"7fffffffffffffff\r\nxx");
        assert_eq!(step, Ok(BodyStep::Data { skip: 18, data: 2 }));
        assert_eq!(decoder.decode(b"yyy"), Ok(BodyStep::Data { skip: 0, data: 3 }));
    }

    proptest! {
        #[test]
        fn what_was_cut_into_chunks_comes_back(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in proptest::collection::vec(1usize..30, 1..20),
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                crate::h1::encode::chunk_header(&mut bytes, chunk.len() as u64);
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(crate::h1::encode::CHUNK_END);
            }
            bytes.extend_from_slice(crate::h1::encode::LAST_CHUNK);
            let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
            for &cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(decode(pieces), Ok(Some((chunks.concat(), vec![]))));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_cuts_change_nothing(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'1'), Just(b';'), Just(b'a'), any::<u8>()],
                0..40,
            ),
        ) {
            let whole = decode([&bytes[..]]);
            prop_assert_eq!(decode(bytes.chunks(1)), whole);
        }
    }
}
