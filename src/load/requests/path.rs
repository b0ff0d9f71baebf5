//! Paths with their queries, as they stand in a request line (RFC 9112 3.2.1).

use std::str::FromStr;

use thiserror::Error;

use super::template::{Template, TemplateError};

/// The longest path with its query, in bytes, a place counting as it is written; most servers refuse longer ones.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

/// A path, with its query if there is one, and with places for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(Template);

/// Why bytes are no path. Each text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// It is not in origin-form.
    #[error("a path begins with '/'")]
    NoSlash,
    /// It is longer than [`PATH_BYTES_MAX`].
    #[error("a path with its query has at most {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// It holds what ends a request's target, or what none may hold.
    #[error("a path holds no blank, no control character and nothing beyond ASCII; encode a blank as %20")]
    Forbidden,
    /// Fragments are not sent.
    #[error("what follows '#' is not sent to a server; leave it out, or encode '#' as %23")]
    Fragment,
    /// The sign of an encoding encodes nothing.
    #[error(
        "'%' in a path is followed by two hexadecimal digits, not both of them zero; encode '%' itself as %25"
    )]
    PercentEncoding,
    /// Its braces are no template's.
    #[error("{0}")]
    Template(#[from] TemplateError),
}

impl PathTemplate {
    /// Reads a path with places in it.
    pub fn parse(written: &[u8]) -> Result<Self, PathError> {
        if written.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        let template = Template::parse(written)?;
        check(template.texts())?;
        Ok(PathTemplate(template))
    }

    /// The text with its places.
    pub fn template(&self) -> &Template {
        &self.0
    }

    /// Whether it is "/".
    pub fn is_root(&self) -> bool {
        self.0.texts().eq([b"/".as_slice()])
    }
}

impl FromStr for PathTemplate {
    type Err = PathError;

    fn from_str(written: &str) -> Result<Self, PathError> {
        PathTemplate::parse(written.as_bytes())
    }
}

/// Whether `path`, in which braces stand for themselves, can be sent.
pub(super) fn check_verbatim(path: &[u8]) -> Result<(), PathError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    check([path].into_iter())
}

/// Whether these texts, with digits between them, can be sent. A digit of a key must not become part of an encoding,
/// whose validity would then depend on the key.
fn check<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Result<(), PathError> {
    let mut in_query = false;
    for (index, text) in texts.enumerate() {
        if index == 0 && !text.starts_with(b"/") {
            return Err(PathError::NoSlash);
        }
        if text.contains(&b'#') {
            return Err(PathError::Fragment);
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err(PathError::Forbidden);
        }
        let path_bytes = text.iter().position(|&byte| in_query || byte == b'?');
        in_query |= path_bytes.is_some();
        if !is_encoded(&text[..path_bytes.unwrap_or(text.len())]) {
            return Err(PathError::PercentEncoding);
        }
    }
    Ok(())
}

/// Whether each "%" is followed by two hexadecimal digits that do not mean NUL.
fn is_encoded(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'%').skip(1).all(|behind| {
        behind
            .first_chunk::<2>()
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_origin_form_with_places() {
        for written in ["/", "/a/b?c=%zz&d=/?", "/{key}", "/a?k={key}&{{}}", "/%20{key}", "/a{key}?%{key}"] {
            assert!(written.parse::<PathTemplate>().is_ok(), "{written}");
        }
        assert!("/".parse::<PathTemplate>().unwrap().is_root());
        assert!(!"/{key}".parse::<PathTemplate>().unwrap().is_root());
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let long = format!("/{}", "a".repeat(PATH_BYTES_MAX));
        for (written, expected) in [
            ("", PathError::NoSlash),
            ("a", PathError::NoSlash),
            ("{key}", PathError::NoSlash),
            (&long, PathError::TooLong),
            ("/a b", PathError::Forbidden),
            ("/{key} ", PathError::Forbidden),
            ("/a\r\nX: y", PathError::Forbidden),
            ("/\u{7f}", PathError::Forbidden),
            ("/é", PathError::Forbidden),
            ("/?é", PathError::Forbidden),
            ("/a#b", PathError::Fragment),
            ("/?a#{key}", PathError::Fragment),
            ("/%", PathError::PercentEncoding),
            ("/%2", PathError::PercentEncoding),
            ("/%2?", PathError::PercentEncoding),
            ("/%{key}", PathError::PercentEncoding),
            ("/%4{key}", PathError::PercentEncoding),
            ("/%00", PathError::PercentEncoding),
            ("/%zz", PathError::PercentEncoding),
            ("/{id}", PathError::Template(TemplateError::Unknown("id".into()))),
        ] {
            assert_eq!(written.parse::<PathTemplate>(), Err(expected), "{written}");
        }
    }

    #[test]
    fn in_a_verbatim_path_braces_stand_for_themselves() {
        assert_eq!(check_verbatim(b"/{a}/{{"), Ok(()));
        assert_eq!(check_verbatim(b"/%{"), Err(PathError::PercentEncoding));
        assert_eq!(check_verbatim(&[b'/'; PATH_BYTES_MAX + 1]), Err(PathError::TooLong));
    }
}
