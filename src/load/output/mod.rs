//! A summary as text, JSON and CSV. All of it is free of what could steer a terminal or a spreadsheet: names of replicas
//! and examples of failures are what servers wrote.

pub mod csv;
pub mod json;
pub mod text;
pub mod units;

/// The text with all but printable ASCII escaped.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printable, character| {
        match character {
            ' '..='~' => printable.push(character),
            other => printable.extend(other.escape_default()),
        }
        printable
    })
}
