//! `ringway completions SHELL`.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use super::{CommandError, output};
use crate::cli::Arguments;

#[derive(Debug, Args)]
pub(in crate::cli) struct Completions {
    /// The shell.
    shell: Shells,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shells {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let shell = match self.shell {
            Shells::Bash => Shell::Bash,
            Shells::Zsh => Shell::Zsh,
            Shells::Fish => Shell::Fish,
        };
        // Into memory first: the generator panics when it cannot write.
        let mut script = Vec::new();
        generate(shell, &mut Arguments::command(), "ringway", &mut script);
        output::print(script)
    }
}
