//! How many more proxies a request may pass (RFC 9110 7.6.2): for OPTIONS only, since TRACE is refused.

use crate::message::{KnownField, Method, RequestHead};

/// Max-Forwards is no number, or there are several. 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMaxForwards;

/// The number in an OPTIONS request's Max-Forwards, if it has one; of other methods the field is as any other. A number
/// that is too large to count counts as the largest, which is then what is forwarded.
pub fn max_forwards(head: &RequestHead<'_>) -> Result<Option<u32>, InvalidMaxForwards> {
    if head.method != Method::Options {
        return Ok(None);
    }
    let Some(value) = head.fields.first(KnownField::MaxForwards) else { return Ok(None) };
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !is_number || head.fields.is_repeated(KnownField::MaxForwards) {
        return Err(InvalidMaxForwards);
    }
    let add = |number: u32, digit: &u8| number.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    Ok(Some(value.iter().fold(0, add)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{self, HeadLimits, Parse};

    #[test]
    fn only_options_counts_its_forwards() {
        let invalid = Err(InvalidMaxForwards);
        let cases = [
            ("OPTIONS", "", Ok(None)),
            ("OPTIONS", "Max-Forwards: 0", Ok(Some(0))),
            ("OPTIONS", "Max-Forwards: 1", Ok(Some(1))),
            ("OPTIONS", "max-forwards: 0010", Ok(Some(10))),
            ("OPTIONS", "Max-Forwards: 4294967295", Ok(Some(u32::MAX))),
            ("OPTIONS", "Max-Forwards: 99999999999999999999999999", Ok(Some(u32::MAX))),
            ("OPTIONS", "Max-Forwards:", invalid),
            ("OPTIONS", "Max-Forwards: -1", invalid),
            ("OPTIONS", "Max-Forwards: 1, 1", invalid),
            ("OPTIONS", "Max-Forwards: 1\r\nMax-Forwards: 1", invalid),
            ("GET", "Max-Forwards: 0", Ok(None)),
            ("GET", "Max-Forwards: x", Ok(None)),
        ];
        for (method, field, expected) in cases {
            let separator = if field.is_empty() { "" } else { "\r\n" };
            let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n{field}{separator}\r\n");
            let mut fields = Default::default();
            let parsed = h1::parse_request(bytes.as_bytes(), &mut fields, &HeadLimits::default());
            let Ok(Parse::Complete { head, .. }) = parsed else { panic!("{bytes}") };
            assert_eq!(max_forwards(&head), expected, "{bytes}");
        }
    }
}
