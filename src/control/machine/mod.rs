//! The control thread's decisions: desired against observed state. Pure: events and `now` in, actions out.

pub mod event;
pub mod plan;
