//! Sets of known fields.

use super::KnownField;

/// A set of known fields, one bit each; asking it costs no branch for each member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownSet(u64);

/// One bit for each field, and one for those that are not known.
const _: () = assert!(KnownField::ALL.len() < 64);

impl KnownSet {
    /// No field.
    pub const EMPTY: KnownSet = KnownSet(0);

    /// The set of these fields.
    #[inline]
    pub const fn of(fields: &[KnownField]) -> KnownSet {
        let mut set = 0;
        let mut index = 0;
        while index < fields.len() {
            set |= 1 << fields[index] as u8;
            index += 1;
        }
        KnownSet(set)
    }

    /// The fields of both sets together.
    #[inline]
    pub const fn with(self, other: KnownSet) -> KnownSet {
        KnownSet(self.0 | other.0)
    }

    /// The fields that are in both sets.
    #[inline]
    pub const fn and(self, other: KnownSet) -> KnownSet {
        KnownSet(self.0 & other.0)
    }

    /// Whether `field` is in the set.
    #[inline]
    pub const fn contains(self, field: KnownField) -> bool {
        self.0 & (1 << field as u8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set = KnownSet::of(&[KnownField::Host]).with(KnownSet::of(&[KnownField::Via, KnownField::Age]));
        for &field in KnownField::ALL {
            let expected = matches!(field, KnownField::Host | KnownField::Via | KnownField::Age);
            assert_eq!(set.contains(field), expected, "{field:?}");
        }
        assert_eq!(
            set.and(KnownSet::of(&[KnownField::Via, KnownField::Te])),
            KnownSet::of(&[KnownField::Via])
        );
        assert!(!KnownSet::EMPTY.contains(KnownField::Unknown));
    }
}
