//! `ringway load`: the load tester's threads, signals and files.

mod interrupt;
mod run;
