//! The hash of a key, specified so that other processes and languages agree on it.

use xxhash_rust::xxh3::xxh3_64;

/// XXH3-64 with seed 0 of a key's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(u64);

impl KeyHash {
    /// Hashes a key's bytes; a few nanoseconds for a short key.
    pub fn of(key: &[u8]) -> Self {
        KeyHash(xxh3_64(key))
    }

    /// Takes a number for a hash: a random key needs no hashing.
    pub const fn from_u64(value: u64) -> Self {
        KeyHash(value)
    }

    /// The hash as a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key for each of the algorithm's code paths (by length), so that another implementation can be held to them.
    /// The figures come from the reference library, xxHash 0.8.4 (`XXH3_64bits`).
    #[test]
    fn the_hash_is_xxh3_with_seed_0() {
        let cases: [(&[u8], u64); 8] = [
            (b"", 0x2d06_8005_38d3_94c2),
            (b"a", 0xe6c6_32b6_1e96_4e1f),
            (b"user-1", 0x7c76_15c1_1438_e5c9),
            (b"/home", 0x6736_ff85_6ddc_e61d),
            (b"203.0.113.77", 0x0cf5_1524_7a75_6917),
            (b"/api/v1/users/42?full=1", 0x6edd_2864_d3ed_af4f),
            (&[b'x'; 200], 0x50ef_124f_b1e4_de53),
            (&[b'x'; 300], 0xa5d1_b460_7dc8_3554),
        ];
        for (key, expected) in cases {
            assert_eq!(KeyHash::of(key).as_u64(), expected, "{} bytes", key.len());
        }
    }
}
