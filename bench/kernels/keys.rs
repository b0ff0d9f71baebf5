//! Hashing a key, in each placement's way.

use std::hint::black_box;

use ringway::placement::KeyHasher;

use super::{Kernel, repeated};

pub(super) fn all() -> Vec<Kernel> {
    let cases = [
        ("XXH3, 6 bytes", KeyHasher::Xxh3, "098407"),
        ("XXH3, 38 bytes", KeyHasher::Xxh3, "/catalogue/items?page=2&sort=price&d=1"),
        ("request id, 6 digits", KeyHasher::RequestId, "098407"),
        ("CRC-32, 6 bytes", KeyHasher::Crc32, "098407"),
        ("CRC-32, 38 bytes", KeyHasher::Crc32, "/catalogue/items?page=2&sort=price&d=1"),
        ("sum of bytes, 6 bytes", KeyHasher::ByteSum, "098407"),
    ];
    let kernel = |(name, hasher, key): (&str, KeyHasher, &'static str)| {
        let hashed = move || {
            black_box(black_box(hasher).hash(black_box(key.as_bytes())));
        };
        Kernel::new("key hashed", name, move || repeated(hashed)).of_bytes(key.len())
    };
    cases.into_iter().map(kernel).collect()
}
