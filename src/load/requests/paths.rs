//! Paths from a file, one a line.

use std::num::NonZeroU64;

use thiserror::Error;

use super::method::{self, MethodError};
use super::path::{self, PATH_BYTES_MAX, PathError};
use crate::message::Method;

/// The longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest line, in bytes, its end not counted.
pub const LINE_BYTES_MAX: usize = PATH_BYTES_MAX;

/// The lines of a file: paths, each with a method if one was written before it. There is at least one.
#[derive(Clone, Debug)]
pub struct Paths {
    /// All lines, without what parts them.
    text: Box<[u8]>,
    /// 8 bytes each: a file of the greatest length may hold 32 million.
    lines: Box<[Line]>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    /// Where it ends in the text; it begins where the one before it ends.
    end: u32,
    /// How much of it is the method; none if it has none. At most `METHOD_BYTES_MAX`.
    method_bytes: u8,
    /// What the method is.
    method: Method,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPath<'a> {
    /// The method, with its token, if one was written.
    pub method: Option<(&'a [u8], Method)>,
    /// The path with its query.
    pub path: &'a [u8],
}

/// Why a file is no [`Paths`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathsError {
    /// It is longer than [`FILE_BYTES_MAX`].
    #[error("it is longer than {} MiB", FILE_BYTES_MAX / (1024 * 1024))]
    TooLong,
    /// It has nothing but comments and empty lines, or not even these.
    #[error("it has no paths; write one a line: PATH, or METHOD PATH")]
    Empty,
    /// A line is wrong.
    #[error("line {line}: {fault}")]
    Line {
        /// Which one, counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineFault {
    /// It is longer than [`LINE_BYTES_MAX`].
    #[error("it is longer than {} KiB", LINE_BYTES_MAX / 1024)]
    TooLong,
    /// What stands before the path is no method.
    #[error("{0}")]
    Method(#[from] MethodError),
    /// What should be the path is none.
    #[error("{0}")]
    Path(#[from] PathError),
    /// A line is a path itself.
    #[error("{{key}} stands for nothing in a file of paths; write each path on a line of its own")]
    Key,
}

impl Paths {
    /// Reads a file. Empty lines and those that begin with "#" are skipped.
    pub fn parse(file: &[u8]) -> Result<Self, PathsError> {
        if file.len() > FILE_BYTES_MAX {
            return Err(PathsError::TooLong);
        }
        let mut text = Vec::new();
        let mut lines = Vec::new();
        for (index, line) in file.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let listed = listed(line).map_err(|fault| PathsError::Line { line: index + 1, fault })?;
            let (token, method) = listed.method.unwrap_or((b"", Method::Other));
            text.extend_from_slice(token);
            text.extend_from_slice(listed.path);
            // Both fit: no text is longer than its file, and no method longer than is read.
            lines.push(Line { end: text.len() as u32, method_bytes: token.len() as u8, method });
        }
        if lines.is_empty() {
            return Err(PathsError::Empty);
        }
        Ok(Paths { text: text.into(), lines: lines.into() })
    }

    /// How many there are.
    pub fn count(&self) -> NonZeroU64 {
        NonZeroU64::new(self.lines.len() as u64).unwrap_or(NonZeroU64::MIN)
    }

    /// Whether a line says its method.
    pub fn has_methods(&self) -> bool {
        self.lines.iter().any(|line| line.method_bytes > 0)
    }

    /// Number `index`, counted from 0 in the order of the file; beyond the last one it is the last.
    #[inline]
    pub fn get(&self, index: u64) -> ListedPath<'_> {
        let index = usize::try_from(index).unwrap_or(usize::MAX).min(self.lines.len() - 1);
        let start = if index == 0 { 0 } else { self.lines[index - 1].end as usize };
        let line = self.lines[index];
        let (token, path) = self.text[start..line.end as usize].split_at(usize::from(line.method_bytes));
        ListedPath { method: (!token.is_empty()).then_some((token, line.method)), path }
    }
}

/// Reads a line that is neither empty nor a comment.
fn listed(line: &[u8]) -> Result<ListedPath<'_>, LineFault> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineFault::TooLong);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let (method, path) = match line.iter().position(is_blank).filter(|_| line[0] != b'/') {
        Some(blank) => {
            let token = &line[..blank];
            (Some((token, method::sendable(token)?)), line[blank..].trim_ascii_start())
        }
        None => (None, line),
    };
    path::check_verbatim(path)?;
    if path.windows(5).any(|window| window == b"{key}") {
        return Err(LineFault::Key);
    }
    Ok(ListedPath { method, path })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(paths: &Paths) -> Vec<String> {
        let line = |index| {
            let ListedPath { method, path } = paths.get(index);
            let method = method.map_or_else(String::new, |(token, method)| {
                format!("{} {method:?} ", String::from_utf8_lossy(token))
            });
            method + &String::from_utf8_lossy(path)
        };
        (0..paths.count().get()).map(line).collect()
    }

    #[test]
    fn each_line_is_a_path_that_may_have_a_method() {
        let file = b"# recorded\n\n/a\r\n  /b?c={d}  \nDELETE /e\nPROPFIND \t/f\n\t\n #/g\n/last";
        let expected = ["/a", "/b?c={d}", "DELETE Delete /e", "PROPFIND Other /f", "/last"];
        assert_eq!(shown(&Paths::parse(file).unwrap()), expected);
    }

    #[test]
    fn each_mistake_names_its_line() {
        let long = "/".repeat(LINE_BYTES_MAX + 1);
        for (file, expected) in [
            ("", "it has no paths; write one a line: PATH, or METHOD PATH"),
            ("# none\n\n", "it has no paths"),
            ("/a\nb\n", "line 2: a path begins with '/'"),
            ("\n\n/a b", "line 3: a path holds no blank"),
            ("GET /a /b", "line 1: a path holds no blank"),
            ("GET  ", "line 1: a path begins with '/'"),
            ("http://a/", "line 1: a path begins with '/'"),
            ("CONNECT /a", "line 1: CONNECT opens a tunnel"),
            ("G(T /a", "line 1: a method is a word"),
            ("/a\n/%", "line 2: '%' in a path is followed by"),
            ("/\u{e9}", "line 1: a path holds no blank"),
            ("/a\r/b", "line 1: a path holds no blank"),
            ("/{key}", "line 1: {key} stands for nothing in a file of paths"),
            (&long, "line 1: it is longer than 8 KiB"),
        ] {
            let error = Paths::parse(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", file.escape_default());
        }
    }

    #[test]
    fn a_file_has_its_limit() {
        let file = vec![b'\n'; FILE_BYTES_MAX + 1];
        assert_eq!(Paths::parse(&file).unwrap_err(), PathsError::TooLong);
        assert_eq!(Paths::parse(&file[1..]).unwrap_err(), PathsError::Empty);
    }

    #[test]
    fn a_line_costs_eight_bytes_beside_its_text() {
        assert_eq!(size_of::<Line>(), 8);
    }

    proptest! {
        #[test]
        fn the_file_s_order_is_kept(lines in proptest::collection::vec("(GET )?/[a-z]{0,5}", 1..20)) {
            let expected: Vec<String> = lines.iter().map(|line| line.replace("GET ", "GET Get ")).collect();
            prop_assert_eq!(shown(&Paths::parse(lines.join("\n").as_bytes()).unwrap()), expected);
        }
    }
}
