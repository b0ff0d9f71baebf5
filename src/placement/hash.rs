//! The hash of a key, specified so that other processes and languages agree on it.

use xxhash_rust::xxh3::xxh3_64;

/// A key as its service's placement takes it; of every key but those of the placements that came from elsewhere, the
/// XXH3-64 with seed 0 of its bytes (see [`KeyHasher`]).
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

/// How a placement makes a number of a key's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHasher {
    /// XXH3-64 with seed 0.
    Xxh3,
    /// System A's request ids: a decimal number of up to 19 digits is itself, any other key its XXH3-64.
    RequestId,
    /// CRC-32 (IEEE 802.3), as nginx takes it for its continuum.
    Crc32,
    /// System B's: the sum of the bytes.
    ByteSum,
}

impl KeyHasher {
    /// The number for a key.
    pub fn hash(self, key: &[u8]) -> KeyHash {
        match self {
            KeyHasher::Xxh3 => KeyHash::of(key),
            KeyHasher::RequestId => request_id(key).map_or_else(|| KeyHash::of(key), KeyHash),
            KeyHasher::Crc32 => KeyHash(u64::from(crc32fast::hash(key))),
            KeyHasher::ByteSum => KeyHash(key.iter().map(|&byte| u64::from(byte)).sum()),
        }
    }
}

/// The longest decimal number that fits 64 bits whatever its digits are.
const REQUEST_ID_DIGITS_MAX: usize = 19;

fn request_id(key: &[u8]) -> Option<u64> {
    let is_number = (1..=REQUEST_ID_DIGITS_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_digit);
    is_number.then(|| key.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
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

    #[test]
    fn each_placement_reads_a_key_in_its_own_way() {
        let nines = 9_999_999_999_999_999_999;
        let cases: [(KeyHasher, &[u8], u64); 9] = [
            (KeyHasher::Xxh3, b"42", KeyHash::of(b"42").as_u64()),
            (KeyHasher::RequestId, b"42", 42),
            (KeyHasher::RequestId, b"000042", 42),
            (KeyHasher::RequestId, b"9999999999999999999", nines),
            (KeyHasher::RequestId, b"10000000000000000000", KeyHash::of(b"10000000000000000000").as_u64()),
            (KeyHasher::RequestId, b"-1", KeyHash::of(b"-1").as_u64()),
            (KeyHasher::RequestId, b"", KeyHash::of(b"").as_u64()),
            // The check value of CRC-32/ISO-HDLC.
            (KeyHasher::Crc32, b"123456789", 0xcbf4_3926),
            (KeyHasher::ByteSum, b"abc", 97 + 98 + 99),
        ];
        for (hasher, key, expected) in cases {
            assert_eq!(hasher.hash(key).as_u64(), expected, "{hasher:?} {key:?}");
        }
    }
}
