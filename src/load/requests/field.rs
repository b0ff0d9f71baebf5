//! Header fields of the requests that are to be sent.

use std::str::FromStr;

use thiserror::Error;

use super::template::{Template, TemplateError};
use crate::message::{KnownField, is_token};

/// A field: its name, and its value with places for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    name: Box<str>,
    value: Template,
}

/// Why a text is no [`HeaderField`]. Each text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FieldError {
    /// There is no colon.
    #[error("write it as 'Name: value'")]
    NoColon,
    /// The name is no token.
    #[error("'{}' is no name of a field", .0.escape_default())]
    Name(Box<str>),
    /// The value holds a control character, such as a line's end.
    #[error("a value has no control characters")]
    Value,
    /// The value's braces are no template's.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// A field that says how long the body is.
    #[error("{0} is written as the body needs it; leave it out")]
    Framing(&'static str),
    /// A field that says what becomes of the connection.
    #[error("Connection is written as the connections are used; give --no-keep-alive for 'close'")]
    Connection,
}

impl HeaderField {
    /// Its name as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &Template {
        &self.value
    }

    /// Whether it is the field that names the host.
    pub fn is_host(&self) -> bool {
        KnownField::from_name(self.name.as_bytes()) == KnownField::Host
    }
}

impl FromStr for HeaderField {
    type Err = FieldError;

    fn from_str(written: &str) -> Result<Self, FieldError> {
        let (name, value) = written.split_once(':').ok_or(FieldError::NoColon)?;
        if !is_token(name.as_bytes()) {
            return Err(FieldError::Name(name.into()));
        }
        match KnownField::from_name(name.as_bytes()) {
            KnownField::Connection => return Err(FieldError::Connection),
            field @ (KnownField::ContentLength | KnownField::TransferEncoding) => {
                return Err(FieldError::Framing(field.name()));
            }
            _ => {}
        }
        let value = value.trim_matches([' ', '\t']);
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(FieldError::Value);
        }
        Ok(HeaderField { name: name.into(), value: Template::parse(value.as_bytes())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_name_a_colon_and_a_value_with_places() {
        for (written, name, value) in [
            ("X-Id:  a: b ", "X-Id", "a: b"),
            ("x-request-id:{key}", "x-request-id", "7"),
            ("Empty:", "Empty", ""),
            ("Accept: a\té", "Accept", "a\té"),
            ("If-Match: \"{{{key}}}\"", "If-Match", "\"{7}\""),
        ] {
            let field: HeaderField = written.parse().unwrap();
            assert_eq!((field.name(), &*field.value().expand(7)), (name, value.as_bytes()), "{written}");
        }
        assert!("hOST: a".parse::<HeaderField>().unwrap().is_host());
    }

    #[test]
    fn what_is_no_field_or_not_the_users_is_refused() {
        for (written, expected) in [
            ("", "write it as 'Name: value'"),
            ("X-Id", "write it as 'Name: value'"),
            ("X Id: a", "'X Id' is no name"),
            (": a", "'' is no name"),
            ("X\r\nY: a", "'X\\r\\nY' is no name"),
            ("X: a\r\nY: b", "no control characters"),
            ("X: a\0", "no control characters"),
            ("X: {id}", "'{id}' stands for nothing here"),
            ("content-length: 3", "Content-Length is written as the body needs it; leave it out"),
            ("Transfer-Encoding: chunked", "Transfer-Encoding is written as the body needs it"),
            ("Connection: close", "give --no-keep-alive for 'close'"),
        ] {
            let error = written.parse::<HeaderField>().unwrap_err().to_string();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }
}
