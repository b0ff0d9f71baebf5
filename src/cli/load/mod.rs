//! `ringway load`: the load tester's options, threads, signals and files.

mod interrupt;
mod options;
mod progress;
mod reach;
mod run;
mod value;
