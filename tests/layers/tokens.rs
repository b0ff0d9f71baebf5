//! Rust text as tokens: names and punctuation; comments and literals are left out.

/// A name, `::`, or one character of punctuation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// The tokens of `text`.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = scanner.rest.chars().next() {
        let length = scanner.skipped(first);
        if length > 0 {
            scanner.advance(length);
            continue;
        }
        let length = if is_name(first) {
            scanner.rest.find(|c| !is_name(c)).unwrap_or(scanner.rest.len())
        } else if scanner.rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(Token { text: scanner.rest[..length].to_owned(), line: scanner.line });
        scanner.advance(length);
    }
    tokens
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl Scanner<'_> {
    fn advance(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }

    /// How many bytes from here on are space, a comment or a literal.
    fn skipped(&self, first: char) -> usize {
        let rest = self.rest;
        if first.is_whitespace() {
            return first.len_utf8();
        }
        if rest.starts_with("//") {
            return rest.find('\n').unwrap_or(rest.len());
        }
        if rest.starts_with("/*") {
            return block_comment(rest);
        }
        let prefix = rest.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).unwrap_or(0);
        if prefix <= 2 && rest[prefix..].starts_with(['"', '#']) && rest[..prefix].ends_with('r') {
            return raw_string(rest, prefix).unwrap_or(0);
        }
        if prefix <= 1 && rest[prefix..].starts_with('"') {
            return prefix + quoted(&rest[prefix..], '"');
        }
        if rest.starts_with("b'") {
            return 1 + quoted(&rest[1..], '\'');
        }
        if first == '\'' { character(rest) } else { 0 }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of `r"..."` or `r#"..."#`; `None` for a raw identifier such as `r#type`.
fn raw_string(text: &str, prefix: usize) -> Option<usize> {
    let hashes = text[prefix..].bytes().take_while(|&byte| byte == b'#').count();
    let start = prefix + hashes + 1;
    if !text[prefix + hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text[start..].find(&end).map_or(text.len(), |found| start + found + end.len()))
}

/// The length of a literal between `quote`s that begins the text.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a character literal; of a lifetime's quote, which is no literal, one.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    let second = characters.next().map(|(_, c)| c);
    let third = characters.next().map(|(_, c)| c);
    if second == Some('\\') || third == Some('\'') { quoted(text, '\'') } else { 1 }
}
