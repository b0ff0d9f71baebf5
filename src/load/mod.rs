//! The load tester: what `ringway load` asks, how it keeps time, what it counts, and how that is shown.
//!
//! The way of a run: a [`plan::Plan`] says what is asked and at what pace; each thread runs a [`client`] on an engine and
//! fills a [`record::Record`]; the records are merged into one, and everything shown is computed from that.
//!
//! Nothing here reads a clock, starts a thread or opens a file, so that a run can be simulated.

pub mod analysis;
pub mod chart;
pub mod charts;
pub mod client;
pub mod failure;
pub mod latency;
pub mod output;
pub mod plan;
pub mod progress;
pub mod record;
pub mod requests;
pub mod schedule;
pub mod summary;
pub mod timeline;
pub mod verdict;
