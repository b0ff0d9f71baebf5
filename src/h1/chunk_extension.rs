//! Chunk extensions (RFC 9112 7.1.1): checked, bounded and otherwise ignored.

use super::scan::is_field_value_byte;
use crate::message::is_token_byte;

/// The extensions of one chunk, in bytes; what is longer is an attack (nobody uses them).
pub const CHUNK_EXTENSION_BYTES_MAX: u16 = 256;

/// A place in *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtensionPlace {
    /// Whitespace before a ";" that must come.
    BeforeSemicolon,
    /// After ";": whitespace or the name's first byte.
    BeforeName,
    Name,
    /// Whitespace after a name: "=", or ";" must follow.
    AfterName,
    /// After "=": whitespace, a quote or the value's first byte.
    BeforeValue,
    Value,
    Quoted,
    /// After a backslash in quotes.
    QuotedPair,
    /// After the closing quote.
    AfterQuoted,
}

use ExtensionPlace::*;

impl ExtensionPlace {
    /// The place after `byte`, if `byte` may stand here.
    pub(super) const fn after(self, byte: u8) -> Option<ExtensionPlace> {
        let place = match (self, byte) {
            (Quoted, b'"') => AfterQuoted,
            (Quoted, b'\\') => QuotedPair,
            (Quoted | QuotedPair, _) if is_field_value_byte(byte) => Quoted,
            (Quoted | QuotedPair, _) => return None,
            (BeforeValue, b'"') => Quoted,
            (BeforeSemicolon | Name | AfterName | Value | AfterQuoted, b';') => BeforeName,
            (Name | AfterName, b'=') => BeforeValue,
            (BeforeSemicolon | BeforeName | AfterName | BeforeValue, b' ' | b'\t') => self,
            (Name, b' ' | b'\t') => AfterName,
            (Value | AfterQuoted, b' ' | b'\t') => BeforeSemicolon,
            (BeforeName | Name, _) if is_token_byte(byte) => Name,
            (BeforeValue | Value, _) if is_token_byte(byte) => Value,
            _ => return None,
        };
        Some(place)
    }

    /// Whether the line may end here.
    pub(super) const fn may_end(self) -> bool {
        matches!(self, Name | Value | AfterQuoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(extension: &str) -> bool {
        let walked = extension.bytes().try_fold(BeforeSemicolon, ExtensionPlace::after);
        walked.is_some_and(ExtensionPlace::may_end)
    }

    #[test]
    fn extensions_follow_the_grammar() {
        let valid = [
            ";a",
            ";a=b",
            ";a=\"b\"",
            ";a;b;c",
            "; a = b ; c",
            "\t;\ta\t=\t\"x\"\t;b",
            ";a=\"\"",
            ";a=\"q;=,\\\"\\\\ \"",
            ";a=\"\u{e9}\"",
        ];
        for extension in valid {
            assert!(is_valid(extension), "{extension:?}");
        }
        let invalid = [
            "",
            " ",
            ";",
            "; ",
            ";;",
            ";a;",
            ";a=",
            ";a= ",
            ";=b",
            ";a=\"b",
            ";a=\"b\\",
            ";a=\"b\"c",
            ";a b",
            ";a=b c",
            ";a ",
            ";a=b ",
            "a",
            ";a=b=c",
            ";a=(",
            ";\u{e9}",
            ";a=\"\n\"",
            ";a=\"\r\"",
            ";a=\"\\\n\"",
            ";a\0",
        ];
        for extension in invalid {
            assert!(!is_valid(extension), "{extension:?}");
        }
    }
}
