//! The `ringway` program.

use std::process::ExitCode;

use clap::Parser;
use ringway::cli::{Arguments, execute};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    execute(Arguments::parse())
}
