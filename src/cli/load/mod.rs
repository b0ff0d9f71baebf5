//! `ringway load`: the load tester's threads, signals and files.
#![allow(dead_code)]

mod analysis;
mod interrupt;
mod run;
