//! Tables and pictures in Markdown.

/// A table.
pub(super) struct Table {
    text: String,
}

impl Table {
    /// Of figures: all but the first column are aligned to the right.
    pub(super) fn of_figures(heads: &[&str]) -> Table {
        Table::headed(heads, "---:|")
    }

    /// Of texts: all columns are aligned to the left.
    pub(super) fn of_texts(heads: &[&str]) -> Table {
        Table::headed(heads, "---|")
    }

    fn headed(heads: &[&str], others: &str) -> Table {
        let mut table = Table { text: String::new() };
        table.row(heads);
        let others = others.repeat(heads.len().saturating_sub(1));
        table.text.push_str(&format!("|---|{others}\n"));
        table
    }

    /// Adds a row.
    pub(super) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        self.text.push('|');
        for cell in cells {
            self.text.push_str(&format!(" {} |", cell.as_ref().replace('|', "\\|").replace('\n', " ")));
        }
        self.text.push('\n');
    }

    /// Its lines.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// A picture that lies beside the text.
pub(super) fn picture(title: &str, name: &str) -> String {
    format!("![{title}]({name}.svg)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_heads_and_rows_and_no_cell_breaks_it() {
        let mut table = Table::of_figures(&["a", "b"]);
        table.row(&["x|y", "1\n2"]);
        assert_eq!(table.text(), "| a | b |\n|---|---:|\n| x\\|y | 1 2 |\n");
    }
}
