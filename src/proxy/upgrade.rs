//! Leaving HTTP for another protocol (RFC 9110 7.8): what a client offers, and whether a 101 keeps to it.

use std::rc::Rc;

use crate::message::{Fields, KnownField, ResponseHead, list_members};

/// The protocols that a forwarded request offers in its Upgrade fields.
#[derive(Clone, Debug)]
pub struct UpgradeOffer {
    /// One list, as the client wrote its parts. Shared, since it is asked for in each attempt.
    protocols: Rc<[u8]>,
}

impl UpgradeOffer {
    /// What the Upgrade fields of a request offer.
    pub fn of(fields: &Fields<'_>) -> UpgradeOffer {
        let values: Vec<&[u8]> = fields.all(KnownField::Upgrade).collect();
        UpgradeOffer { protocols: values.join(&b',').into() }
    }

    /// Whether a 101 switches to protocols that were offered, and names them.
    ///
    /// A server must not switch to another (RFC 9110 7.8), and must say to which it does (15.2.2). What follows a 101
    /// passes unseen, so that one which does neither is not taken at its word. Names are compared in any case, as
    /// servers write them in any.
    pub fn is_kept_by(&self, head: &ResponseHead<'_>) -> bool {
        let mut taken = head.fields.members(KnownField::Upgrade).peekable();
        taken.peek().is_some() && taken.all(|protocol| self.holds(protocol))
    }

    fn holds(&self, protocol: &[u8]) -> bool {
        list_members(&self.protocols).any(|offered| offered.eq_ignore_ascii_case(protocol))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{FieldTable, HeadLimits, Parse, parse_request, parse_response};

    fn offer(fields: &str) -> UpgradeOffer {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut table = FieldTable::new();
        match parse_request(bytes.as_bytes(), &mut table, &HeadLimits::default()) {
            Ok(Parse::Complete { head, .. }) => UpgradeOffer::of(&head.fields),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }

    fn is_kept(offer: &UpgradeOffer, fields: &str) -> bool {
        let bytes = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
        let mut table = FieldTable::new();
        match parse_response(bytes.as_bytes(), &mut table, &HeadLimits::default()) {
            Ok(Parse::Complete { head, .. }) => offer.is_kept_by(&head),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }

    #[test]
    fn a_101_keeps_to_what_was_offered_and_says_so() {
        let one = "Upgrade: websocket\r\n";
        let two = "Upgrade: a/1, b\r\nUpgrade: c\r\n";
        let table = [
            (one, "Upgrade: websocket\r\n", true),
            (one, "Upgrade: WebSocket\r\n", true),
            (one, "Upgrade: other\r\n", false),
            (one, "Upgrade: websocket, other\r\n", false),
            (one, "Upgrade: websocket\r\nUpgrade: h2c\r\n", false),
            (one, "Upgrade: web\r\n", false),
            (one, "Upgrade:\r\n", false),
            (one, "", false),
            (two, "Upgrade: a/1\r\n", true),
            (two, "Upgrade: c, b\r\n", true),
            (two, "Upgrade: a\r\n", false),
            ("Upgrade:\r\n", "Upgrade: a\r\n", false),
            ("Upgrade:\r\n", "Upgrade:\r\n", false),
        ];
        for (offered, taken, expected) in table {
            assert_eq!(is_kept(&offer(offered), taken), expected, "{offered:?} {taken:?}");
        }
    }
}
