//! The Via field: through which gateways a message came (RFC 9110 7.6.3).

use super::origin::write_members;
use crate::message::{Fields, KnownField, Version};

/// The member of each version: its name tells nobody where this proxy stands.
const SIGNED_1_0: &[u8] = b"1.0 ringway\r\n";
const SIGNED_1_1: &[u8] = b"1.1 ringway\r\n";

/// Appends the field: the members that came and ours, with the version in which the message was received.
pub(super) fn write(out: &mut Vec<u8>, fields: &Fields<'_>, received: Version) {
    out.extend_from_slice(b"Via: ");
    write_members(out, fields, KnownField::Via, |_| true);
    out.extend_from_slice(match received {
        Version::Http10 => SIGNED_1_0,
        Version::Http11 => SIGNED_1_1,
    });
}
