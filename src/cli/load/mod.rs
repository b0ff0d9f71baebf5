//! `ringway load`: the load tester's threads, signals and files.

#![allow(dead_code)]

mod interrupt;
mod progress;
mod run;
