//! From text to TOML tables, and from offsets back to lines and keys.

use std::iter;

use toml::de::DeTable;

use super::error::{ConfigError, Fault};

/// The most lines that syntax errors are reported of.
const SYNTAX_ERRORS_MAX: usize = 20;

/// Parses the text, or says where it is no TOML: the first error of each line, since one mistake often causes several.
pub(super) fn parse(text: &str) -> Result<DeTable<'_>, Vec<ConfigError>> {
    let (table, faults) = DeTable::parse_recoverable(text);
    if faults.is_empty() {
        return Ok(table.into_inner());
    }
    let lines = Lines::of(text);
    let line_of = |fault: &toml::de::Error| lines.at(fault.span().map_or(0, |span| span.start));
    let mut faults: Vec<_> = faults.iter().map(|fault| (line_of(fault), fault.message())).collect();
    faults.sort_by_key(|(line, _)| *line);
    faults.dedup_by_key(|(line, _)| *line);
    faults.truncate(SYNTAX_ERRORS_MAX);
    let error = |(line, message): (usize, &str)| ConfigError {
        line: Some(line),
        key: key_near(text, line),
        fault: Fault::Syntax(message.to_owned()),
    };
    Err(faults.into_iter().map(error).collect())
}

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after_break = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        Lines(iter::once(0).chain(after_break).collect())
    }

    /// The line of an offset in bytes, counted from 1.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset)
    }
}

/// The key that a line seems to be about: what stands before its `=`, below the last header. A guess, as the line may
/// be anything; it only helps to find the place.
fn key_near(text: &str, line: usize) -> String {
    let mut header = "";
    let mut key = "";
    for text in text.lines().take(line).map(str::trim) {
        let is_header = text.starts_with('[');
        if is_header {
            header = text.trim_matches(['[', ']']);
        }
        key = if is_header { "" } else { text.split(['=', '#']).next().unwrap_or_default().trim() };
    }
    match (header, key) {
        ("", key) => key.to_owned(),
        (header, "") => header.to_owned(),
        (header, key) => format!("{header}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_name_line_and_key() {
        let cases = [
            ("cores = = 2", vec![(1, "cores")]),
            ("a = 1\n\n[listen]\nhttp = 127.0.0.1:1\n", vec![(4, "listen.http")]),
            ("[listen\nhttp = \"x\"\n[admin]\nlisten = 3 4 # x\n", vec![(1, "listen"), (4, "admin.listen")]),
            ("[[service]]\nname = \"a\nkey = \"path\"", vec![(2, "service.name")]),
            ("cores = 1\ncores = 2", vec![(2, "cores")]),
            ("cores", vec![(1, "cores")]),
            ("{{{{", vec![(1, "{{{{")]),
        ];
        for (text, expected) in cases {
            let errors = parse(text).unwrap_err();
            let places: Vec<_> =
                errors.iter().map(|error| (error.line.unwrap(), error.key.as_str())).collect();
            assert_eq!(places, expected, "{text}");
        }
    }

    #[test]
    fn endless_nesting_is_an_error_and_no_overflow() {
        assert!(parse(&("a = ".to_owned() + &"[".repeat(100_000))).is_err());
        assert!(parse(&("a = ".to_owned() + &"{a=".repeat(100_000))).is_err());
    }

    #[test]
    fn lines_are_counted_from_one() {
        for (offset, line) in [(0, 1), (1, 1), (2, 2), (3, 3), (99, 3)] {
            assert_eq!(Lines::of("a\n\nb").at(offset), line, "{offset}");
        }
    }
}
