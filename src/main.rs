//! The `ringway` program.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use ringway::cli::{Arguments, execute};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    execute(Arguments::parse())
}
