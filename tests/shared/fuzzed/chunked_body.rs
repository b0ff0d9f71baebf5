//! The decoder of the chunked coding: in whichever pieces a body comes, it is read as by the plain reader.

use ringway::h1::{BodyStep, ChunkedDecoder, ChunkedError};

use super::chunked_reader::{self, Ending};
use super::input;

/// The input's last four bytes are the lengths of pieces, in turn; the rest is a body and what follows it.
pub(crate) fn check(data: &[u8]) {
    let (bytes, lengths) = input::split::<4>(data);
    let whole = decode([bytes]);
    let single = decode(bytes.chunks(1));
    let pieces = decode(pieces(bytes, lengths));
    assert_eq!(whole.data, single.data, "byte by byte");
    assert_eq!(whole.data, pieces.data, "in pieces");
    assert_eq!((whole.ending, whole.counted), (single.ending, single.counted), "byte by byte");
    assert_eq!((whole.ending, whole.counted), (pieces.ending, pieces.counted), "in pieces");
    let (data, ending) = chunked_reader::read(bytes);
    assert_eq!(whole.data, data, "the plain reader's data");
    match (whole.ending, ending) {
        (Ok(Some(at)), Ending::Whole(other)) => assert_eq!(at, other, "the body's end"),
        (Ok(None), Ending::NeedMore) => {}
        (Err(_), Ending::Broken) => {
            // The byte at which it breaks: before it nothing was wrong.
            let good = single.taken - 1;
            assert_eq!(chunked_reader::read(&bytes[..good]).1, Ending::NeedMore, "broken before byte {good}");
            assert_eq!(chunked_reader::read(&bytes[..=good]).1, Ending::Broken, "not broken at byte {good}");
        }
        (ending, other) => panic!("{ending:?}, but the plain reader says {other:?}"),
    }
}

/// What a decoder makes of a body.
struct Decoded {
    data: Vec<u8>,
    /// The length of a whole body with its framing; none if more must come.
    ending: Result<Option<usize>, ChunkedError>,
    /// What the decoder counted: data and framing. Nothing is counted of the piece that breaks.
    counted: Option<(u64, u64)>,
    /// Bytes of the pieces that were given.
    taken: usize,
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = ChunkedDecoder::new();
    let (mut data, mut taken, mut at) = (Vec::new(), 0, 0);
    for piece in pieces {
        taken += piece.len();
        let mut rest = piece;
        loop {
            match decoder.decode(rest) {
                Ok(BodyStep::Data { skip, data: length }) => {
                    assert!(length > 0, "data without a byte");
                    data.extend_from_slice(&rest[skip..skip + length]);
                    rest = &rest[skip + length..];
                    at += skip + length;
                }
                Ok(BodyStep::NeedMore) => {
                    at += rest.len();
                    break;
                }
                Ok(BodyStep::End { consumed }) => {
                    at += consumed;
                    assert_eq!(decoder.decode(&rest[consumed..]), Ok(BodyStep::End { consumed: 0 }));
                    let counted = Some((decoder.data_bytes(), decoder.framing_bytes()));
                    return Decoded { data, ending: Ok(Some(at)), counted, taken };
                }
                Err(error) => return Decoded { data, ending: Err(error), counted: None, taken },
            }
        }
    }
    let counted = Some((decoder.data_bytes(), decoder.framing_bytes()));
    Decoded { data, ending: Ok(None), counted, taken }
}

/// `bytes` in pieces of these lengths in turn, empty ones among them.
fn pieces(bytes: &[u8], lengths: [u8; 4]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut turns = lengths.into_iter().map(usize::from).cycle();
    let mut left = 2 * bytes.len() + 1;
    std::iter::from_fn(move || {
        let length = turns.next().unwrap_or(1).min(rest.len());
        left = left.checked_sub(1)?;
        // Lengths of nothing but zero would never end.
        let length = if left == 0 { rest.len() } else { length };
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        (!piece.is_empty() || !behind.is_empty()).then_some(piece)
    })
}
