//! One reading of one file, in which every mistake is found in one pass.
//!
//! serde stops at the first error and knows the path of a key only while it descends; here each read yields a value or
//! the default and leaves its error, with line and key path, in the reader. Whether there were any is asked once, at
//! the end.

use std::cell::RefCell;
use std::path::Path;

use toml::de::DeTable;

use super::error::{ConfigError, Fault};
use super::section::Section;
use super::surroundings::Surroundings;
use super::syntax::Lines;

/// What the sections and values of a file share.
pub(super) struct Reader<'a> {
    lines: Lines,
    /// What relative paths in the file are relative to.
    pub(super) folder: &'a Path,
    pub(super) surroundings: &'a dyn Surroundings,
    errors: RefCell<Vec<ConfigError>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &str, folder: &'a Path, surroundings: &'a dyn Surroundings) -> Self {
        Reader { lines: Lines::of(text), folder, surroundings, errors: RefCell::default() }
    }

    /// Reads the whole file through its top-level table.
    pub(super) fn read<T>(&'a self, table: &'a DeTable<'a>, read: impl FnOnce(&mut Section<'a>) -> T) -> T {
        Section::read(self, String::new(), 0, Some(table), read)
    }

    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors.into_inner()
    }

    /// The line of an offset.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.at(at)
    }

    /// Notes an error of the key at an offset.
    pub(super) fn fail(&self, key: String, at: usize, fault: Fault) {
        let line = Some(self.line(at));
        self.errors.borrow_mut().push(ConfigError { line, key, fault });
    }
}
