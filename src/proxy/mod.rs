//! The decisions of one exchange: its key, what is forwarded, what is answered, what is tried again.
//!
//! Pure: bytes, events and counts in, values out. The data plane moves the bytes.

pub mod answer;
pub mod fault;
pub mod forward;
pub mod json_key;
pub mod key;
pub mod retry;
pub mod upgrade;
