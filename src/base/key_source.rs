//! Where a request's key is read from: the words of a service's `key` list.

use std::str::FromStr;

use thiserror::Error;

/// The longest name of a header field, cookie or query parameter that a key may be read from, in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 128;
/// The last path segment that a key may be read from.
pub const SEGMENT_MAX: usize = 64;

/// One place a key may be read from; a service tries its list in order and takes the first that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// `path`: the request target's path, as sent, without the query.
    Path,
    /// `uri`: path and query, as sent.
    Uri,
    /// `host`: the host that the request names, without its port, in lower case.
    Host,
    /// `client-ip`: the client's address, without its port: the peer's, or what a trusted peer says of its own.
    ClientIp,
    /// `header:NAME`: a header field's value; the name is kept in lower case.
    Header(Box<str>),
    /// `cookie:NAME`: a cookie's value; names are compared as written (RFC 6265 5.4).
    Cookie(Box<str>),
    /// `query:NAME`: the first value of a query parameter; names are compared as written.
    Query(Box<str>),
    /// `segment:N`: the N-th segment of the path, counted from 1 (`segment:1` of `/a/b` is `a`).
    Segment(usize),
    /// `json:FIELD`: the value of a member of the JSON object in the request's body, if it stands in the body's first
    /// bytes; names are compared as written, so those that JSON has to escape are none.
    Json(Box<str>),
    /// `random`: a key made up for the request, so that it goes anywhere.
    Random,
}

/// What becomes of a request that holds none of its service's keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// It gets a random key.
    #[default]
    Random,
    /// It is answered with 400.
    Reject,
}

/// Why a string is no [`KeySource`]. Each text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeySourceError {
    /// The word before the colon is not known.
    #[error(
        "'{0}' is no key; write path, uri, host, client-ip, header:NAME, cookie:NAME, query:NAME, json:FIELD, segment:N or random"
    )]
    Unknown(Box<str>),
    /// A word that takes a name, without a proper one.
    #[error(
        "'{written}' needs the name of a {what}; write it as {what}:NAME, with at most {KEY_NAME_BYTES_MAX} bytes and no spaces"
    )]
    Name {
        /// The string as written.
        written: Box<str>,
        /// `header`, `cookie` or `query`.
        what: &'static str,
    },
    /// `json:` without the name of a member, or with one that JSON would have to escape.
    #[error(
        "'{0}' needs the name of a member of the JSON object in the body; write it as json:FIELD, with at most \
         {KEY_NAME_BYTES_MAX} bytes and no control characters, quotes or backslashes"
    )]
    Field(Box<str>),
    /// `segment:` without a number in range.
    #[error("'{0}' needs a number from 1 to {SEGMENT_MAX}; the first segment of /a/b is segment:1")]
    Segment(Box<str>),
}

impl FromStr for KeySource {
    type Err = KeySourceError;

    fn from_str(written: &str) -> Result<Self, KeySourceError> {
        let Some((word, name)) = written.split_once(':') else {
            return plain_source(written);
        };
        match word {
            "header" if is_token(name) => Ok(KeySource::Header(name.to_ascii_lowercase().into())),
            "header" => Err(KeySourceError::Name { written: written.into(), what: "header" }),
            "cookie" if is_token(name) => Ok(KeySource::Cookie(name.into())),
            "cookie" => Err(KeySourceError::Name { written: written.into(), what: "cookie" }),
            "query" if is_query_name(name) => Ok(KeySource::Query(name.into())),
            "query" => Err(KeySourceError::Name { written: written.into(), what: "query" }),
            "segment" => segment(name).ok_or_else(|| KeySourceError::Segment(written.into())),
            "json" if is_member_name(name) => Ok(KeySource::Json(name.into())),
            "json" => Err(KeySourceError::Field(written.into())),
            _ => Err(KeySourceError::Unknown(written.into())),
        }
    }
}

fn plain_source(written: &str) -> Result<KeySource, KeySourceError> {
    match written {
        "path" => Ok(KeySource::Path),
        "uri" => Ok(KeySource::Uri),
        "host" => Ok(KeySource::Host),
        "client-ip" => Ok(KeySource::ClientIp),
        "random" => Ok(KeySource::Random),
        "header" => Err(KeySourceError::Name { written: written.into(), what: "header" }),
        "cookie" => Err(KeySourceError::Name { written: written.into(), what: "cookie" }),
        "query" => Err(KeySourceError::Name { written: written.into(), what: "query" }),
        "segment" => Err(KeySourceError::Segment(written.into())),
        "json" => Err(KeySourceError::Field(written.into())),
        _ => Err(KeySourceError::Unknown(written.into())),
    }
}

fn segment(number: &str) -> Option<KeySource> {
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| digits)?;
    (1..=SEGMENT_MAX).contains(&number).then_some(KeySource::Segment(number))
}

/// A token of RFC 9110 5.6.2: the names of fields, and by RFC 6265 4.1.1 of cookies.
fn is_token(name: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=KEY_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_token_byte)
}

/// A parameter's name as it stands in a query: no delimiter of the query itself.
fn is_query_name(name: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_graphic() && !b"&=#?".contains(&byte);
    (1..=KEY_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_name_byte)
}

/// A member's name of which the JSON text is the name itself between quotes (RFC 8259 7).
fn is_member_name(name: &str) -> bool {
    let is_plain = |character: char| !character.is_control() && !matches!(character, '"' | '\\');
    (1..=KEY_NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_design_is_read() {
        let cases = [
            ("path", KeySource::Path),
            ("uri", KeySource::Uri),
            ("host", KeySource::Host),
            ("client-ip", KeySource::ClientIp),
            ("header:X-Request-ID", KeySource::Header("x-request-id".into())),
            ("cookie:Session", KeySource::Cookie("Session".into())),
            ("query:id", KeySource::Query("id".into())),
            ("query:a:b", KeySource::Query("a:b".into())),
            ("segment:1", KeySource::Segment(1)),
            ("segment:64", KeySource::Segment(64)),
            ("json:request_id", KeySource::Json("request_id".into())),
            ("json:Größe in m:²", KeySource::Json("Größe in m:²".into())),
            ("random", KeySource::Random),
        ];
        for (written, expected) in cases {
            assert_eq!(written.parse(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_rule_it_breaks() {
        let long = format!("header:{}", "x".repeat(KEY_NAME_BYTES_MAX + 1));
        let long_member = format!("json:{}", "é".repeat(KEY_NAME_BYTES_MAX / 2 + 1));
        let cases = [
            ("", "is no key"),
            ("Path", "is no key"),
            ("body:x", "is no key"),
            ("header", "header:NAME"),
            ("header:", "header:NAME"),
            ("header:a b", "header:NAME"),
            ("header:é", "header:NAME"),
            (&long, "header:NAME"),
            ("cookie:a=b", "cookie:NAME"),
            ("query:a&b", "query:NAME"),
            ("segment", "from 1 to 64"),
            ("segment:0", "from 1 to 64"),
            ("segment:65", "from 1 to 64"),
            ("segment:+1", "from 1 to 64"),
            ("segment:99999999999999999999", "from 1 to 64"),
            ("json", "json:FIELD"),
            ("json:", "json:FIELD"),
            ("json:a\"b", "no control characters, quotes or backslashes"),
            ("json:a\\b", "json:FIELD"),
            ("json:a\nb", "json:FIELD"),
            ("json:a\u{85}b", "json:FIELD"),
            (&long_member, "at most 128 bytes"),
            ("jsonb:a", "json:FIELD, segment:N or random"),
        ];
        for (written, expected) in cases {
            let error = written.parse::<KeySource>().unwrap_err().to_string();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }
}
