//! The request target and its four forms (RFC 9112 3.2).

use super::error::{HeadError, Stop};
use super::scan;
use crate::message::{Authority, Method, RequestTarget};

/// Where a target stands in the buffer.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    start: usize,
    /// The index of the SP after it.
    pub(super) end: usize,
    /// The index of its first "?", or `end`.
    question: usize,
}

/// Finds the end of the target at `start`, which must be an SP, and checks its bytes.
///
/// Percent-encodings are checked in the path only: queries with a bare "%" are common and nobody decodes them here.
#[inline(always)]
pub(super) fn extent(bytes: &[u8], start: usize, length_max: usize) -> Result<Extent, Stop> {
    let mut at = start;
    loop {
        at = scan::path_stretch_end(bytes, at);
        if at - start > length_max {
            return Err(HeadError::TargetTooLong.into());
        }
        match bytes.get(at) {
            Some(b' ') if at > start => return Ok(Extent { start, end: at, question: at }),
            Some(b'?') => break,
            Some(b'%') => at = percent_encoding_end(bytes, at)?,
            other => return Err(refusal(other)),
        }
    }
    let end = scan::query_end(bytes, at);
    if end - start > length_max {
        return Err(HeadError::TargetTooLong.into());
    }
    match bytes.get(end) {
        Some(b' ') => Ok(Extent { start, end, question: at }),
        other => Err(refusal(other)),
    }
}

#[cold]
fn refusal(byte: Option<&u8>) -> Stop {
    match byte {
        None => Stop::NeedMore,
        Some(b'\n') => HeadError::BareLineFeed.into(),
        // Neither a version nor a second SP: the line of HTTP/0.9, or a CR amid the target.
        Some(_) => HeadError::InvalidTarget.into(),
    }
}

/// The index after the "%" at `at` and its two digits, which must not encode NUL.
fn percent_encoding_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let digits = bytes.get(at + 1..).unwrap_or_default();
    let digits = &digits[..digits.len().min(2)];
    if !digits.iter().all(u8::is_ascii_hexdigit) || digits == b"00" {
        return Err(HeadError::InvalidPercentEncoding.into());
    }
    if digits.len() < 2 { Err(Stop::NeedMore) } else { Ok(at + 3) }
}

/// Whether the target in `extent` has one of the forms that the method allows.
#[inline]
pub(super) fn check_form(bytes: &[u8], extent: Extent, method: Method) -> Result<(), HeadError> {
    if is_origin_form(bytes, extent, method) {
        return Ok(());
    }
    other_form(bytes, extent, method).map(|_| ())
}

#[inline(always)]
fn is_origin_form(bytes: &[u8], extent: Extent, method: Method) -> bool {
    bytes[extent.start] == b'/' && method != Method::Connect
}

/// The target in `extent`, if it is in origin-form.
#[inline(always)]
pub(super) fn origin_form(bytes: &[u8], extent: Extent, method: Method) -> Option<RequestTarget<'_>> {
    if !is_origin_form(bytes, extent, method) {
        return None;
    }
    let (path, query) = split_query(bytes, extent.start, extent);
    Some(RequestTarget::Origin { raw: &bytes[extent.start..extent.end], path, query })
}

/// Reads the target in `extent` as one of the forms that `method` allows.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    extent: Extent,
    method: Method,
) -> Result<RequestTarget<'a>, HeadError> {
    origin_form(bytes, extent, method).map_or_else(|| other_form(bytes, extent, method), Ok)
}

#[cold]
fn other_form<'a>(bytes: &'a [u8], extent: Extent, method: Method) -> Result<RequestTarget<'a>, HeadError> {
    let raw = &bytes[extent.start..extent.end];
    match (method, raw) {
        (Method::Connect, _) => connect_target(raw),
        (Method::Options, b"*") => Ok(RequestTarget::Asterisk),
        _ => absolute_form(bytes, extent),
    }
}

/// authority-form: a port is not optional (RFC 9112 3.2.3).
fn connect_target(raw: &[u8]) -> Result<RequestTarget<'_>, HeadError> {
    let authority = Authority::parse(raw).map_err(HeadError::InvalidTargetAuthority)?;
    match authority.port() {
        Some(_) => Ok(RequestTarget::Authority(authority)),
        None => Err(HeadError::WrongTargetForm),
    }
}

fn absolute_form<'a>(bytes: &'a [u8], extent: Extent) -> Result<RequestTarget<'a>, HeadError> {
    let raw = &bytes[extent.start..extent.end];
    let colon = raw.windows(3).position(|window| window == b"://").ok_or(HeadError::WrongTargetForm)?;
    let scheme = &raw[..colon];
    if !is_scheme(scheme) {
        return Err(HeadError::WrongTargetForm);
    }
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(HeadError::UnsupportedScheme);
    }
    let authority_start = colon + 3;
    let after = &raw[authority_start..];
    let authority_length = after.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
    let authority =
        Authority::parse(&after[..authority_length]).map_err(HeadError::InvalidTargetAuthority)?;
    let (path, query) = split_query(bytes, extent.start + authority_start + authority_length, extent);
    Ok(RequestTarget::Absolute { raw, scheme, authority, path, query })
}

/// RFC 3986 3.1
fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// Path and query.
#[inline]
fn split_query(bytes: &[u8], path_start: usize, extent: Extent) -> (&[u8], Option<&[u8]>) {
    let target = &bytes[path_start..extent.end];
    match target.split_at_checked(extent.question - path_start) {
        Some((path, [_question, query @ ..])) => (path, Some(query)),
        _ => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeadLimits;
    use super::super::every_cut::{self, LIMITS};
    use super::HeadError::*;
    use super::*;
    use crate::message::AuthorityError;

    /// The form's name, authority, path and query of `method target`.
    type Parts = (&'static str, String, String, Option<String>);

    fn parsed(method_and_target: &[u8], limits: &HeadLimits) -> Result<Option<Parts>, HeadError> {
        let bytes = [method_and_target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("ASCII");
        every_cut::request(&bytes, limits, |head, _| {
            let form = match head.target {
                RequestTarget::Origin { .. } => "origin",
                RequestTarget::Absolute { .. } => "absolute",
                RequestTarget::Authority(_) => "authority",
                RequestTarget::Asterisk => "asterisk",
            };
            let raw = &method_and_target[head.method_token.len() + 1..];
            assert_eq!(head.target.raw(), raw);
            let authority = head.authority().expect("HTTP/1.1 has one");
            let query = head.target.query().map(text);
            (form, text(authority.as_bytes()), text(head.target.path()), query)
        })
    }

    /// RFC 9112 3.2.1 to 3.2.4
    #[test]
    fn the_four_forms_are_told_apart() {
        let table: [(&str, &str, &str, &str, Option<&str>); 22] = [
            ("GET /", "origin", "h", "/", None),
            ("GET /a/b", "origin", "h", "/a/b", None),
            ("GET /?", "origin", "h", "/", Some("")),
            ("GET /a?b=c&d", "origin", "h", "/a", Some("b=c&d")),
            ("GET /a?b?c/d", "origin", "h", "/a", Some("b?c/d")),
            ("GET //a/../b", "origin", "h", "//a/../b", None),
            ("GET /%41%2f%fF?%zz%", "origin", "h", "/%41%2f%fF", Some("%zz%")),
            ("GET /a%3Fb", "origin", "h", "/a%3Fb", None),
            ("GET /\"<>\\^`{|}[]", "origin", "h", "/\"<>\\^`{|}[]", None),
            ("OPTIONS /a", "origin", "h", "/a", None),
            ("GET http://o/a?b", "absolute", "o", "/a", Some("b")),
            ("GET HTTP://O:8080/", "absolute", "O:8080", "/", None),
            ("GET https://o", "absolute", "o", "/", None),
            ("GET http://o?b/c", "absolute", "o", "/", Some("b/c")),
            ("GET http://[::1]:1/a", "absolute", "[::1]:1", "/a", None),
            ("GET http://o//a", "absolute", "o", "//a", None),
            ("OPTIONS http://o", "absolute", "o", "/", None),
            ("OPTIONS *", "asterisk", "h", "*", None),
            ("CONNECT o:443", "authority", "o:443", "", None),
            ("CONNECT [::1]:443", "authority", "[::1]:443", "", None),
            ("PURGE /a", "origin", "h", "/a", None),
            ("GET /http://o/", "origin", "h", "/http://o/", None),
        ];
        for (bytes, form, authority, path, query) in table {
            let expected = (form, authority.to_owned(), path.to_owned(), query.map(str::to_owned));
            assert_eq!(parsed(bytes.as_bytes(), &LIMITS), Ok(Some(expected)), "{bytes}");
        }
    }

    #[test]
    fn broken_targets_name_their_fault() {
        let table: [(&[u8], HeadError); 29] = [
            (b"GET /a#b", InvalidTarget),
            (b"GET /a?b#c", InvalidTarget),
            (b"GET /\0", InvalidTarget),
            (b"GET /a\x1f", InvalidTarget),
            (b"GET /?\x7f", InvalidTarget),
            (b"GET /\xc3\xa4", InvalidTarget),
            (b"GET /?\xff", InvalidTarget),
            (b"GET /a\rb", InvalidTarget),
            (b"GET /?a\tb", InvalidTarget),
            (b"GET /%", InvalidPercentEncoding),
            (b"GET /%4", InvalidPercentEncoding),
            (b"GET /%4g", InvalidPercentEncoding),
            (b"GET /%%41", InvalidPercentEncoding),
            (b"GET /%u0041", InvalidPercentEncoding),
            (b"GET /a%00", InvalidPercentEncoding),
            (b"GET *", WrongTargetForm),
            (b"GET a", WrongTargetForm),
            (b"GET ?a", WrongTargetForm),
            (b"GET o:80", WrongTargetForm),
            (b"GET http:/o", WrongTargetForm),
            (b"GET ://o", WrongTargetForm),
            (b"OPTIONS **", WrongTargetForm),
            (b"GET ftp://o/", UnsupportedScheme),
            (b"CONNECT o", WrongTargetForm),
            (b"CONNECT o:", WrongTargetForm),
            (b"CONNECT /", InvalidTargetAuthority(AuthorityError::InvalidHost)),
            (b"GET http://u@o/", InvalidTargetAuthority(AuthorityError::Userinfo)),
            (b"GET http:///a", InvalidTargetAuthority(AuthorityError::EmptyHost)),
            (b"GET http://o:x/", InvalidTargetAuthority(AuthorityError::InvalidPort)),
        ];
        for (bytes, fault) in table {
            assert_eq!(parsed(bytes, &LIMITS), Err(fault), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_target_as_long_as_the_limit_is_read_and_a_longer_one_refused() {
        let limits = HeadLimits { target_bytes_max: 40, ..LIMITS };
        let table = [
            ("a".repeat(39), true),
            ("a".repeat(40), false),
            (format!("?{}", "a".repeat(38)), true),
            (format!("?{}", "a".repeat(39)), false),
            (format!("{}%41", "a".repeat(36)), true),
            (format!("{}%41", "a".repeat(37)), false),
            (format!("{}%zz", "a".repeat(40)), false),
            (format!("{}#", "a".repeat(40)), false),
        ];
        for (path, accepted) in table {
            let result = parsed(format!("GET /{path}").as_bytes(), &limits);
            let expected = if accepted { Ok(true) } else { Err(TargetTooLong) };
            assert_eq!(result.map(|parts| parts.is_some()), expected, "{path}");
        }
    }
}
