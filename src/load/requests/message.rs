//! A request's bytes, ready but for its key.

use super::template::Template;
use crate::h1::encode;

/// Bytes with places for what depends on the key. Without places it is one piece, and writing it one copy.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug)]
enum Piece {
    Bytes(Box<[u8]>),
    Key,
    /// The length of a body with so many bytes beside its keys, and so many keys.
    BodyLength {
        bytes: u64,
        keys: u64,
    },
}

impl Message {
    /// Appends the message for this key.
    #[inline]
    pub(super) fn write(&self, key: u64, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Key => encode::decimal(out, key),
                Piece::BodyLength { bytes, keys } => encode::decimal(out, bytes + keys * digits(key)),
            }
        }
    }

    /// Whether it depends on the key.
    pub(super) fn has_key(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Key))
    }
}

fn digits(key: u64) -> u64 {
    u64::from(key.checked_ilog10().unwrap_or(0)) + 1
}

/// A message that is being put together.
#[derive(Clone, Debug, Default)]
pub(super) struct MessageBuilder {
    pieces: Vec<Piece>,
    /// What was added since the last piece.
    bytes: Vec<u8>,
}

impl MessageBuilder {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn template(&mut self, template: &Template) {
        for (index, text) in template.texts().enumerate() {
            if index > 0 {
                self.piece(Piece::Key);
            }
            self.bytes(text);
        }
    }

    /// Adds how long `body` is.
    pub(super) fn length_of(&mut self, body: &Template) {
        let (bytes, keys) = (body.text_bytes() as u64, body.places() as u64);
        if keys == 0 {
            encode::decimal(&mut self.bytes, bytes);
        } else {
            self.piece(Piece::BodyLength { bytes, keys });
        }
    }

    fn piece(&mut self, piece: Piece) {
        self.close();
        self.pieces.push(piece);
    }

    fn close(&mut self) {
        if !self.bytes.is_empty() {
            self.pieces.push(Piece::Bytes(std::mem::take(&mut self.bytes).into()));
        }
    }

    pub(super) fn build(mut self) -> Message {
        self.close();
        Message { pieces: self.pieces.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &[u8], body: &[u8]) -> Message {
        let body = Template::parse(body).unwrap();
        let mut builder = MessageBuilder::default();
        builder.template(&Template::parse(head).unwrap());
        builder.length_of(&body);
        builder.bytes(b";");
        builder.template(&body);
        builder.build()
    }

    #[test]
    fn without_a_key_it_is_one_piece() {
        assert_eq!(message(b"a", b"{{bcd}}").pieces.len(), 1);
        assert!(!message(b"a", b"bcd").has_key() && message(b"a", b"{key}").has_key());
    }

    #[test]
    fn the_length_of_the_body_is_right_for_each_key() {
        let message = message(b"/{key} ", b"<{key}{key}>");
        for (key, expected) in [
            (0, "/0 4;<00>"),
            (9, "/9 4;<99>"),
            (10, "/10 6;<1010>"),
            (u64::MAX, "/18446744073709551615 42;<1844674407370955161518446744073709551615>"),
        ] {
            let mut out = Vec::new();
            message.write(key, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
