//! Comma-separated lists in field values (RFC 9110 5.6.1).

/// The members of one list.
#[derive(Clone, Debug)]
pub struct ListMembers<'a> {
    rest: &'a [u8],
}

/// Splits `value` at its commas.
///
/// Members come without the whitespace around them; empty ones are skipped, as recipients must. A comma in a quoted
/// string does not separate; the quotes stay. An unterminated quoted string runs to the end.
pub const fn list_members(value: &[u8]) -> ListMembers<'_> {
    ListMembers { rest: value }
}

impl<'a> Iterator for ListMembers<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = member_end(self.rest);
            let member = trim_whitespace(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

/// The index of the first comma outside quotes, or the length.
fn member_end(list: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (index, &byte) in list.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return index,
            _ => {}
        }
    }
    list.len()
}

/// Without the optional whitespace (SP, HTAB) at both ends.
pub(crate) const fn trim_whitespace(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_at_commas_outside_quotes() {
        let table: [(&str, &[&str]); 10] = [
            ("", &[]),
            (" ", &[]),
            (",, ,", &[]),
            ("a", &["a"]),
            (" a\t,b , \tc ", &["a", "b", "c"]),
            (",a,,b,", &["a", "b"]),
            ("\"a,b\", c", &["\"a,b\"", "c"]),
            ("\"a\\\",b\", c", &["\"a\\\",b\"", "c"]),
            ("\"open, to the end", &["\"open, to the end"]),
            ("a;q=1, b c", &["a;q=1", "b c"]),
        ];
        for (value, expected) in table {
            let members: Vec<_> = list_members(value.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|member| member.as_bytes()).collect();
            assert_eq!(members, expected, "{value:?}");
        }
    }
}
