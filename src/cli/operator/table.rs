//! Rows of text as a table whose columns are as wide as they have to be.

use std::fmt::Write;

use crate::base::printable::printable;

/// The widest column; longer cells are cut.
const CELL_MAX: usize = 48;
/// Between two columns.
const GAP: usize = 2;

/// A table of text. Cells hold what others wrote: all but printable ASCII is escaped, so that each character is one
/// column wide and none steers the terminal.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this first row.
    pub(super) fn headed<const N: usize>(head: [&str; N]) -> Self {
        Table { rows: vec![head.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a row; of its last cell there may be more than a column's width.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }

    /// The lines, each indented by two columns.
    pub(super) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(String::len).max().unwrap_or(0).min(CELL_MAX)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        self.rows.iter().map(|row| line(row, &widths)).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, (cell, &width)) in row.iter().zip(widths).enumerate() {
        let is_last = index + 1 == row.len();
        let cell = if is_last { cell.clone() } else { cut(cell, width) };
        // Writing to a string cannot fail.
        let _ = write!(line, "{:GAP$}{cell:width$}", "");
    }
    line.truncate(line.trim_end().len());
    line
}

/// At most `width` columns of a printable text; where something is missing, its end is two dots.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.len() <= width { text.to_owned() } else { format!("{:.*}..", width.saturating_sub(2), text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::headed(["NAME", "N"]);
        table.row(vec!["a".to_owned(), "1".to_owned()]);
        table.row(vec!["longer-name".to_owned(), "22".to_owned()]);
        assert_eq!(table.lines(), ["  NAME         N", "  a            1", "  longer-name  22"]);
    }

    #[test]
    fn cells_are_bounded_and_cannot_steer_the_terminal() {
        let mut table = Table::headed(["A", "B"]);
        table.row(vec!["x".repeat(1_000_000), "\x1b[2J\né".to_owned()]);
        let expected = format!("  {}..  \\u{{1b}}[2J\\n\\u{{e9}}", "x".repeat(CELL_MAX - 2));
        assert_eq!(table.lines()[1], expected);
    }

    #[test]
    fn a_cut_shows_that_something_is_missing() {
        for (text, width, expected) in [("abcdef", 6, "abcdef"), ("abcdef", 5, "abc.."), ("abc", 1, "..")] {
            assert_eq!(cut(text, width), expected);
        }
    }
}
