//! What others wrote, free of what could steer a terminal.

/// The text with all but printable ASCII escaped, so that each character is one column wide.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printable, character| {
        match character {
            ' '..='~' => printable.push(character),
            other => printable.extend(other.escape_default()),
        }
        printable
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_printable_ascii_is_escaped() {
        for (text, expected) in [
            ("plain ~ text", "plain ~ text"),
            ("\x1b[2J\r\n", "\\u{1b}[2J\\r\\n"),
            ("\u{9b}é\u{202e}", "\\u{9b}\\u{e9}\\u{202e}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
