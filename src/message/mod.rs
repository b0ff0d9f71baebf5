//! HTTP messages by RFC 9110: what every version of HTTP shares.
//!
//! Everything here is a view of bytes that somebody else owns: a [`RequestHead`] or [`ResponseHead`] borrows the
//! buffer that it was parsed from and the [`FieldTable`] that lists its field lines. Nothing allocates but the table.

mod authority;
mod body_length;
mod connection;
mod date;
mod field_name;
mod fields;
mod head;
mod known_set;
mod list;
mod method;
mod status;
mod target;
mod token;
mod version;

pub use authority::{Authority, AuthorityError};
pub use body_length::MessageBodyLength;
pub use connection::{
    ConnectionOptions, HOP_BY_HOP, NOMINATIONS_MAX, TooManyNominations, connection_options, is_hop_by_hop,
};
pub use date::HttpDate;
pub use field_name::KnownField;
pub use fields::{Field, FieldLine, FieldTable, Fields, Span};
pub use head::{RequestHead, ResponseHead};
pub use known_set::KnownSet;
pub(crate) use list::trim_whitespace;
pub use list::{ListMembers, list_members};
pub use method::Method;
pub use status::StatusCode;
pub use target::RequestTarget;
pub use token::{is_token, is_token_byte};
pub use version::Version;
