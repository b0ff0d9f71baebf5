//! A summary as text, JSON and CSV. All of it is free of what could steer a terminal or a spreadsheet: names of replicas
//! and examples of failures are what servers wrote.

pub mod csv;
pub mod json;
pub mod text;
pub mod units;
