//! Values of the file, each with its place, read as the type that is wanted.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::error::Fault;
use super::reader::Reader;
use super::section::Section;
use super::thousandths;

/// The longest path (`PATH_MAX` of Linux).
const PATH_BYTES_MAX: usize = 4_096;

/// One value of the file.
pub(super) struct Value<'a> {
    pub(super) reader: &'a Reader<'a>,
    path: String,
    at: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn new(reader: &'a Reader<'a>, path: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        Value { reader, path, at: value.span().start, value: value.get_ref() }
    }

    /// A string.
    pub(super) fn text(&self, example: &str) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a string", example);
        }
        text
    }

    /// A string that the system can be given: of as many bytes as the range allows, without NUL.
    pub(super) fn system_string(
        &self,
        bytes: RangeInclusive<usize>,
        example: &'static str,
    ) -> Option<&'a str> {
        let text = self.text(example)?;
        let (min, max) = (*bytes.start(), *bytes.end());
        let proper = bytes.contains(&text.len()) && !text.contains('\0');
        self.check(if proper { Ok(text) } else { Err(Fault::SystemString { min, max, example }) })
    }

    /// A path; a relative one is relative to the file's folder.
    pub(super) fn path(&self, example: &'static str) -> Option<PathBuf> {
        let path = self.system_string(1..=PATH_BYTES_MAX, example)?;
        Some(self.reader.folder.join(path))
    }

    /// A number in a range. One that no integer type holds is out of the range, too.
    pub(super) fn number<N>(&self, range: RangeInclusive<N>, advice: &'static str) -> Option<N>
    where
        N: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        let Some(integer) = self.value.as_integer() else {
            self.wrong_type("a whole number", "1000");
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix());
        let negative = integer.as_str().starts_with('-');
        match number.ok().and_then(|number| N::try_from(number).ok()) {
            Some(number) if range.contains(&number) => return Some(number),
            Some(number) if number < *range.start() => self.fail(too_small(&range, advice)),
            None if negative => self.fail(too_small(&range, advice)),
            _ => self.fail(Fault::TooLarge { max: range.end().to_string(), advice }),
        }
        None
    }

    /// A whole number or a fraction of at most three decimals, in thousandths; the range is of whole thousandths, too.
    pub(super) fn thousandths(&self, range: RangeInclusive<u32>, advice: &'static str) -> Option<u32> {
        let written = match self.value {
            DeValue::Integer(integer) => thousandths::of_whole(integer.as_str(), integer.radix()),
            DeValue::Float(float) => thousandths::of_fraction(float.as_str()),
            _ => {
                self.wrong_type("a number", "1.25");
                return None;
            }
        };
        let Some(thousandths) = written else {
            self.fail(Fault::Decimals { decimals_max: thousandths::DECIMALS_MAX, advice });
            return None;
        };
        let (min, max) = (i128::from(*range.start()), i128::from(*range.end()));
        if thousandths < min {
            self.fail(Fault::TooSmall { min: thousandths::show(min), advice });
        } else if thousandths > max {
            self.fail(Fault::TooLarge { max: thousandths::show(max), advice });
        }
        u32::try_from(thousandths).ok().filter(|thousandths| range.contains(thousandths))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false", "true");
        }
        flag
    }

    /// One of some words (at least one), see [`Section::word`].
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)], planned: &[&str]) -> Option<T> {
        let known = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let word = self.text(&format!("\"{}\"", words[0].0))?;
        let found = words.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning);
        if found.is_none() && planned.contains(&word) {
            self.fail(Fault::NotYet { what: format!("'{word}'"), instead: format!("use {known}") });
        } else if found.is_none() {
            self.fail(Fault::UnknownWord { word: word.to_owned(), known });
        }
        found
    }

    /// The entries of a list with at least one and at most `entries_max` entries.
    pub(super) fn list(&self, entries_max: usize, example: &'static str) -> Vec<Value<'a>> {
        let Some(list) = self.value.as_array() else {
            self.wrong_type("a list", example);
            return Vec::new();
        };
        match list.len() {
            0 => self.fail(Fault::EmptyList(example)),
            count if count > entries_max => self.fail(Fault::TooMany(entries_max)),
            _ => {}
        }
        list.iter().take(entries_max).enumerate().map(|(index, entry)| self.entry(index, entry)).collect()
    }

    /// One value, or a list of them that may be empty.
    pub(super) fn one_or_list_or_none(self, entries_max: usize, example: &'static str) -> Vec<Value<'a>> {
        let is_empty = self.value.as_array().is_some_and(|list| list.is_empty());
        if is_empty { Vec::new() } else { self.one_or_list(entries_max, example) }
    }

    /// One value, or a list of them.
    pub(super) fn one_or_list(self, entries_max: usize, example: &'static str) -> Vec<Value<'a>> {
        if self.value.is_array() { self.list(entries_max, example) } else { vec![self] }
    }

    /// Reads the value as a table; anything else as an empty one, after reporting it.
    pub(super) fn section<T>(&self, example: &'static str, read: impl FnOnce(&mut Section<'a>) -> T) -> T {
        if self.value.as_table().is_none() {
            self.wrong_type("a table", example);
        }
        Section::read(self.reader, self.path.clone(), self.at, self.value.as_table(), read)
    }

    /// The names and values of a table, in the order of the names; of anything else none, after reporting it.
    pub(super) fn entries(&self, entries_max: usize, example: &'static str) -> Vec<(&'a str, Value<'a>)> {
        let Some(table) = self.value.as_table() else {
            self.wrong_type("a table", example);
            return Vec::new();
        };
        if table.len() > entries_max {
            self.fail(Fault::TooMany(entries_max));
        }
        let entry = |(name, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let name: &str = name.get_ref();
            (name, Value::new(self.reader, format!("{}.{name}", self.path), value))
        };
        table.iter().take(entries_max).map(entry).collect()
    }

    /// Whether the value is a whole number.
    pub(super) fn is_whole_number(&self) -> bool {
        self.value.is_integer()
    }

    /// Whether the value is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Reports an error of this value.
    pub(super) fn fail(&self, fault: Fault) {
        self.reader.fail(self.path.clone(), self.at, fault);
    }

    /// `result`, its error reported.
    pub(super) fn check<T>(&self, result: Result<T, impl Into<Fault>>) -> Option<T> {
        result.map_err(|fault| self.fail(fault.into())).ok()
    }

    /// The value's line.
    pub(super) fn line(&self) -> usize {
        self.reader.line(self.at)
    }

    fn entry(&self, index: usize, entry: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value::new(self.reader, format!("{}[{index}]", self.path), entry)
    }

    /// Reports that the value is of another type.
    fn wrong_type(&self, expected: &'static str, example: &str) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fail(Fault::WrongType { expected, found, example: example.to_owned() });
    }
}

fn too_small<N: Display>(range: &RangeInclusive<N>, advice: &'static str) -> Fault {
    Fault::TooSmall { min: range.start().to_string(), advice }
}
