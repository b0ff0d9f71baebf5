//! Tables of the file: each key is read by name and type, and what nobody asked for is unknown.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeTable;

use super::error::Fault;
use super::reader::Reader;
use super::suggestion;
use super::value::Value;

/// The longest time that may be written: a day.
pub(super) const MILLIS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// One table of the file, or an absent one, of which every key is absent.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    path: String,
    /// Where the table begins, in bytes.
    at: usize,
    table: Option<&'a DeTable<'a>>,
    /// The keys that were asked for: those that may stand here.
    known: Vec<&'static str>,
    /// The keys that were refused by name, which are not unknown as well.
    refused: Vec<&'static str>,
    any_key: bool,
}

impl<'a> Section<'a> {
    /// Runs `read` on a table and then reports the keys that it did not ask for.
    pub(super) fn read<T>(
        reader: &'a Reader<'a>,
        path: String,
        at: usize,
        table: Option<&'a DeTable<'a>>,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        let mut section =
            Section { reader, path, at, table, known: Vec::new(), refused: Vec::new(), any_key: false };
        let result = read(&mut section);
        section.report_unknown_keys();
        result
    }

    /// The value of a key, which may stand here from now on.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let value = self.table?.get(key)?;
        let path = self.path_of(key);
        Some(Value::new(self.reader, path, value))
    }

    /// Reads the table of a key; an absent one as if it were empty.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        example: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        match self.value(key) {
            Some(value) => value.section(example, read),
            None => Section::read(self.reader, self.path_of(key), self.at, None, read),
        }
    }

    /// A number in a range; `advice` says what it means.
    pub(super) fn number<N>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<N>,
        default: N,
        advice: &'static str,
    ) -> N
    where
        N: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        self.value(key).and_then(|value| value.number(range, advice)).unwrap_or(default)
    }

    /// A time in milliseconds, at least 1 and at most a day.
    pub(super) fn millis(&mut self, key: &'static str, default: Duration) -> Duration {
        self.millis_within(key, 1..=MILLIS_MAX, default, "write the time in milliseconds")
    }

    /// A time in milliseconds that may be 0.
    pub(super) fn millis_or_zero(&mut self, key: &'static str, default: Duration) -> Duration {
        self.millis_within(key, 0..=MILLIS_MAX, default, "write the time in milliseconds")
    }

    /// A time in milliseconds within a range of its own.
    pub(super) fn millis_within(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: Duration,
        advice: &'static str,
    ) -> Duration {
        let value = self.value(key).and_then(|value| value.number(range, advice));
        value.map_or(default, Duration::from_millis)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.value(key).and_then(|value| value.flag()).unwrap_or(default)
    }

    /// One of some words; of those in `planned` the error says that they are not there yet.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        planned: &[&str],
        default: T,
    ) -> T {
        let found = self.value(key).and_then(|value| value.word(words, planned));
        found.unwrap_or(default)
    }

    /// A key that is planned but not built: an error wherever it is written.
    pub(super) fn not_yet(&mut self, key: &'static str, what: &str, instead: &str) {
        if let Some(value) = self.value(key) {
            value.fail(Fault::NotYet { what: what.to_owned(), instead: instead.to_owned() });
        }
    }

    /// Keys that may stand beside another choice only: errors, as far as they are written.
    pub(super) fn refuse(&mut self, keys: &[&'static str], fault: impl Fn() -> Fault) {
        for key in keys.iter().filter(|key| self.has(key)) {
            self.fail(key, fault());
        }
        self.refused.extend(keys);
    }

    /// Whether a key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Lets any key stand here: for tables that are refused as a whole.
    pub(super) fn allow_any_key(&mut self) {
        self.any_key = true;
    }

    /// Reports an error of a key: at its value, or at the table's beginning if it is not written.
    pub(super) fn fail(&self, key: &str, fault: Fault) {
        self.reader.fail(self.path_of(key), self.at(key), fault);
    }

    /// The line of a key's value, or of the table's beginning if it is not written.
    pub(super) fn line(&self, key: &str) -> usize {
        self.reader.line(self.at(key))
    }

    fn at(&self, key: &str) -> usize {
        let value = self.table.and_then(|table| table.get(key));
        value.map_or(self.at, |value| value.span().start)
    }

    fn report_unknown_keys(&self) {
        for (key, _) in self.table.into_iter().flatten().filter(|_| !self.any_key) {
            let name: &str = key.get_ref();
            if !self.known.contains(&name) && !self.refused.contains(&name) {
                self.reader.fail(
                    self.path_of(name),
                    key.span().start,
                    Fault::UnknownKey(suggestion::for_key(name, &self.known)),
                );
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
