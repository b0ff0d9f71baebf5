//! The method of a request that is to be sent.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::h1::METHOD_BYTES_MAX;
use crate::message::{Method, is_token};

/// A method that can be sent: any token but CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodToken {
    token: Box<str>,
    method: Method,
}

/// Why a text is no [`MethodToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MethodError {
    /// It is empty or holds a byte that no token holds.
    #[error("a method is a word such as GET")]
    NoToken,
    /// It is longer than any server would read.
    #[error("a method has at most {METHOD_BYTES_MAX} bytes")]
    TooLong,
    /// It asks for a tunnel.
    #[error("CONNECT opens a tunnel and is not for testing requests; write another method")]
    Connect,
}

impl MethodToken {
    /// GET
    pub fn get() -> Self {
        MethodToken { token: "GET".into(), method: Method::Get }
    }

    /// POST
    pub fn post() -> Self {
        MethodToken { token: "POST".into(), method: Method::Post }
    }

    /// PUT
    pub fn put() -> Self {
        MethodToken { token: "PUT".into(), method: Method::Put }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.token.as_bytes()
    }

    /// Which method it names.
    pub fn method(&self) -> Method {
        self.method
    }
}

impl fmt::Display for MethodToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.token)
    }
}

/// Which method `token` names, if it may be sent.
pub(super) fn sendable(token: &[u8]) -> Result<Method, MethodError> {
    match Method::from_token(token) {
        _ if !is_token(token) => Err(MethodError::NoToken),
        _ if token.len() > METHOD_BYTES_MAX => Err(MethodError::TooLong),
        Method::Connect => Err(MethodError::Connect),
        method => Ok(method),
    }
}

impl FromStr for MethodToken {
    type Err = MethodError;

    fn from_str(written: &str) -> Result<Self, MethodError> {
        Ok(MethodToken { method: sendable(written.as_bytes())?, token: written.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_but_connect_is_a_method() {
        for (written, expected) in [
            ("GET", Ok(Method::Get)),
            ("TRACE", Ok(Method::Trace)),
            ("PROPFIND", Ok(Method::Other)),
            ("get", Ok(Method::Other)),
            ("", Err(MethodError::NoToken)),
            ("GET /", Err(MethodError::NoToken)),
            ("CONNECT", Err(MethodError::Connect)),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", Err(MethodError::TooLong)),
        ] {
            let read = written.parse::<MethodToken>();
            assert_eq!(read.as_ref().map(MethodToken::method).map_err(|error| *error), expected, "{written}");
            if let Ok(token) = read {
                assert_eq!(token.as_bytes(), written.as_bytes());
            }
        }
    }

    #[test]
    fn the_frequent_ones_are_what_they_are_called() {
        for (token, written) in
            [(MethodToken::get(), "GET"), (MethodToken::post(), "POST"), (MethodToken::put(), "PUT")]
        {
            assert_eq!(Ok(token), written.parse());
        }
    }
}
