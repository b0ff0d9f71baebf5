//! The last lines that an instance logged, as an operator is shown them.

use super::LOG_LINES_MAX;

/// The longest line that is shown, in characters.
const LINE_CHARACTERS_MAX: usize = 400;

/// The last lines of `bytes`; if the beginning `is_cut` off, so is the first line.
pub(super) fn last_lines(bytes: &[u8], is_cut: bool) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let whole: Vec<&str> = text.lines().skip(usize::from(is_cut)).collect();
    let last = whole.iter().skip(whole.len().saturating_sub(LOG_LINES_MAX));
    last.map(|line| harmless_line(line)).collect()
}

/// One line, short and without what could steer a terminal.
pub(super) fn harmless_line(line: &str) -> String {
    let harmless = |character: char| match character {
        '\t' => ' ',
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    line.chars().take(LINE_CHARACTERS_MAX).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_few_short_and_harmless() {
        let many: String = (0..30).map(|number| format!("line {number}\n")).collect();
        let last: Vec<String> = (10..30).map(|number| format!("line {number}")).collect();
        assert_eq!(last_lines(many.as_bytes(), false), last);
        let cases: &[(&[u8], bool, &[&str])] = &[
            (b"", false, &[]),
            (b"a", false, &["a"]),
            (b"a\r\nb\n\nc", false, &["a", "b", "", "c"]),
            (b"torn\nwhole\n", true, &["whole"]),
            (b"a\x1b[31m\tb\0\xff", false, &["a\u{fffd}[31m b\u{fffd}\u{fffd}"]),
        ];
        for (bytes, is_cut, expected) in cases {
            assert_eq!(last_lines(bytes, *is_cut), *expected, "{bytes:?}");
        }
        let long = "ä".repeat(1_000);
        assert_eq!(last_lines(long.as_bytes(), false), ["ä".repeat(LINE_CHARACTERS_MAX)]);
    }
}
