//! How a message's body ends.

/// How long a message's body is, and so how its end is found (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageBodyLength {
    /// No body: the message ends with its head.
    None,
    /// Exactly this many bytes, as Content-Length says; may be 0.
    Sized(u64),
    /// The chunked transfer coding delimits it.
    Chunked,
    /// It ends where the connection does; only in responses.
    UntilClose,
}
