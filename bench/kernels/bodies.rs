//! The chunked transfer coding: one operation is one body.

use std::hint::black_box;

use ringway::h1::{BodyDecoder, BodyStep, encode};
use ringway::message::MessageBodyLength;

use super::{Kernel, Repeated, repeated};

/// As a server sends its events, or a template engine its pieces; 64 chunks.
const SMALL: Chunks = Chunks { bytes: 24, count: 64 };
/// As a download comes; 4 chunks.
const LARGE: Chunks = Chunks { bytes: 16 * 1024, count: 4 };

#[derive(Clone, Copy)]
struct Chunks {
    bytes: usize,
    count: usize,
}

pub(super) fn all() -> Vec<Kernel> {
    let kernel = |group, name, chunks: Chunks, work: fn(Chunks) -> Repeated| {
        Kernel::new(group, name, move || work(chunks)).of_bytes(chunks.bytes * chunks.count).in_rounds_of(100)
    };
    vec![
        kernel("chunks decoded", "64 of 24 bytes", SMALL, decoded),
        kernel("chunks decoded", "4 of 16 KiB", LARGE, decoded),
        kernel("chunks encoded", "64 of 24 bytes", SMALL, encoded),
        kernel("chunks encoded", "4 of 16 KiB", LARGE, encoded),
    ]
}

fn decoded(chunks: Chunks) -> Repeated {
    let mut body = Vec::new();
    encode_body(&mut body, &vec![b'x'; chunks.bytes], chunks.count);
    repeated(move || {
        let mut decoder = BodyDecoder::new(black_box(MessageBodyLength::Chunked));
        let mut rest = black_box(&body[..]);
        while let Ok(BodyStep::Data { skip, data }) = decoder.decode(rest) {
            black_box(&rest[skip..skip + data]);
            rest = &rest[skip + data..];
        }
        black_box(decoder.is_done());
    })
}

/// The data is copied as small chunks are; large ones are lent to the writer, which costs nothing here.
fn encoded(chunks: Chunks) -> Repeated {
    let data = vec![b'x'; chunks.bytes];
    let mut out = Vec::with_capacity(128 * 1024);
    repeated(move || {
        out.clear();
        encode_body(&mut out, black_box(&data), black_box(chunks.count));
        black_box(&out);
    })
}

fn encode_body(out: &mut Vec<u8>, data: &[u8], count: usize) {
    for _ in 0..count {
        encode::chunk_header(out, data.len() as u64);
        out.extend_from_slice(data);
        out.extend_from_slice(encode::CHUNK_END);
    }
    out.extend_from_slice(encode::LAST_CHUNK);
}
