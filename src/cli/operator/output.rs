//! Text from elsewhere on its way to a terminal.

use std::io::{self, ErrorKind, Write};

use super::CommandError;

/// Writes to standard output.
pub(super) fn print(bytes: impl AsRef<[u8]>) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes.as_ref()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        // As for `ringway status | head`: not a failure of ours.
        ErrorKind::BrokenPipe => CommandError::OutputClosed,
        _ => CommandError::failed(format!("cannot write to standard output: {error}")),
    })
}

/// Text in which no character moves the cursor or changes the terminal: all but printable ones are escaped. Line feeds
/// and tabs stay.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => harmless.push(character),
            _ if is_invisible(character) => harmless.extend(character.escape_default()),
            _ => harmless.push(character),
        }
    }
    harmless
}

/// A message as one line of a bearable length.
pub(super) fn one_line(text: &str) -> String {
    const CHARACTERS_MAX: usize = 1_000;
    let mut line: String = text.chars().take(CHARACTERS_MAX).collect();
    if line.len() < text.len() {
        line.push_str(" ...");
    }
    harmless(&line.replace(['\n', '\r', '\t'], " "))
}

/// A JSON text as one line. Valid JSON has raw line breaks only between its tokens, and other control characters only in
/// strings, where they may be escaped.
pub(super) fn one_line_json(json: &str) -> String {
    let mut line = String::with_capacity(json.len() + 1);
    for character in json.trim().chars() {
        match character {
            '\n' | '\r' | '\t' => line.push(' '),
            _ if is_invisible(character) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => line.push(character),
        }
    }
    line + "\n"
}

/// Control characters, and those that turn the direction of writing or have no width (Unicode's Cf, as far as terminals
/// heed them).
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_passes() {
        for (text, expected) in [
            ("plain é 漢\n\tx", "plain é 漢\n\tx"),
            ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
            ("a\rb\x07\x7f", "a\\rb\\u{7}\\u{7f}"),
            ("\u{9b}31m \u{202e}abc\u{200b}", "\\u{9b}31m \\u{202e}abc\\u{200b}"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }

    #[test]
    fn a_message_is_one_line_and_not_endless() {
        assert_eq!(one_line("a\nb\r\nc\x1b"), "a b  c\\u{1b}");
        let long = one_line(&"x".repeat(100_000));
        assert_eq!(long.len(), 1_004);
        assert!(long.ends_with("x ..."));
    }

    #[test]
    fn json_stays_the_same_value_on_one_line() {
        let json = "{\r\n\t\"a\\n\": \"\u{7f}\u{9b}\u{e0001}é\" }\n";
        let line = one_line_json(json);
        assert_eq!(line, "{   \"a\\n\": \"\\u007f\\u009b\\udb40\\udc01é\" }\n");
        let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(same(&line), same(json));
    }
}
