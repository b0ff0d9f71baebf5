//! The decisions of one exchange: its key, what is forwarded, what is answered, what is tried again.
//!
//! Pure: bytes, events and counts in, values out. The data plane moves the bytes.

mod accept;
pub mod answer;
pub mod fault;
pub mod forward;
pub mod json_key;
pub mod key;
pub mod max_forwards;
pub mod origin;
pub mod own_answer;
pub mod request_id;
pub mod retry;
pub mod upgrade;
mod via;
