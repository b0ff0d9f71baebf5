//! `ringway load URL`.

// The command that is made of these options stands in a change of its own.
#![allow(dead_code)]

mod options;
mod reach;
mod value;
