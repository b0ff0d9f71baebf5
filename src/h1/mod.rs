//! HTTP/1.1 (RFC 9112): bytes to messages and back. No I/O, no clock.
//!
//! Strict where RFC 9112 leaves a choice: what two parsers could read in two ways is refused, since an intermediary
//! that guesses is how requests are smuggled. The way of a message: [`HeadScanner`] where the head comes in pieces,
//! [`parse_request`] or [`parse_response`], then [`request_body_length`] or [`response_body_length`], then a
//! [`BodyDecoder`] over what follows. [`encode`] writes.

mod body;
mod chunk_extension;
mod chunked;
pub mod encode;
mod error;
#[cfg(test)]
mod every_cut;
mod field_line;
mod framing;
mod head;
mod head_progress;
mod head_scanner;
mod request_line;
mod request_target;
mod scan;
mod status_line;

pub use crate::message::FieldTable;
pub use body::{BodyDecoder, BodyStep, SizedDecoder, Truncated};
pub use chunk_extension::CHUNK_EXTENSION_BYTES_MAX;
pub use chunked::{CHUNK_SIZE_DIGITS_MAX, ChunkedDecoder, ChunkedError, TRAILER_BYTES_MAX};
pub use error::HeadError;
pub use framing::{BODY_BYTES_MAX, FramingError, persists, request_body_length, response_body_length};
pub use head::{HeadLimits, Parse, parse_request, parse_response};
pub use head_progress::HeadProgress;
pub use head_scanner::HeadScanner;
pub use request_line::METHOD_BYTES_MAX;
