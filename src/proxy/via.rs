//! The Via field: through which gateways a message came (RFC 9110 7.6.3).

use super::origin::write_members;
use crate::message::{Fields, KnownField, Version};

/// The name by which this proxy signs, which tells nobody where it stands.
const PSEUDONYM: &[u8] = b"ringway";

/// Appends the field: the members that came and ours, with the version in which the message was received.
pub(super) fn write(out: &mut Vec<u8>, fields: &Fields<'_>, received: Version) {
    out.extend_from_slice(b"Via: ");
    write_members(out, fields, KnownField::Via, |_| true);
    out.extend_from_slice(match received {
        Version::Http10 => b"1.0 ",
        Version::Http11 => b"1.1 ",
    });
    out.extend_from_slice(PSEUDONYM);
    out.extend_from_slice(b"\r\n");
}
