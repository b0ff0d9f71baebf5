//! What the fuzz targets in `fuzz/` check: each takes bytes and panics where a promise is broken.
//!
//! They stand here, so that `cargo test` replays the committed inputs through the same functions (`tests/corpora.rs`) and
//! a target is one line. What judges is written a second time and plainly, or is httparse: nothing judges itself.

pub(crate) mod chunked_body;
mod chunked_reader;
pub(crate) mod exchange;
mod framing;
mod heads;
mod input;
mod messages;
pub(crate) mod request_head;
pub(crate) mod response_head;

/// What a target does with an input: it panics where a promise is broken.
pub(crate) type Check = fn(&[u8]);

/// The targets by the names of their corpora.
pub(crate) const TARGETS: [(&str, Check); 4] = [
    ("request_head", request_head::check),
    ("response_head", response_head::check),
    ("chunked_body", chunked_body::check),
    ("exchange", exchange::check),
];
