//! The body that belongs to a token: nobody can take a part of one for that of another.

use ringway::base::random::{Random, mix};

use crate::message::bytes_from;

/// `length` bytes that follow from the token.
pub(crate) fn of(token: u64, length: usize) -> Vec<u8> {
    bytes_from(&mut Random::new(mix(token)), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_body_begins_a_longer_one_of_the_same_token_and_of_no_other() {
        for length in [0, 1, 7, 8, 9, 1_000] {
            assert_eq!(of(5, length).len(), length);
            assert!(of(5, 2_000).starts_with(&of(5, length)));
        }
        assert!(!of(6, 2_000).starts_with(&of(5, 8)));
    }
}
