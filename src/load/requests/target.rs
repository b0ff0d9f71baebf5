//! Where requests go and what they ask for: `http://127.0.0.1:5000/items/{key}`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::path::{PathError, PathTemplate};
use crate::message::{Authority, AuthorityError};

/// The port of http.
const PORT: u16 = 80;

/// A URL as a server and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    written: Box<str>,
    authority: Box<str>,
    host: Box<str>,
    port: u16,
    path: PathTemplate,
}

/// Why a text is no [`Target`]. Each text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It is for TLS.
    #[error("only plain HTTP is spoken; write http:// and the address of a plain listener")]
    Tls,
    /// It is for something else.
    #[error("only plain HTTP is spoken; write http:// and not {}://", .0.escape_default())]
    Scheme(Box<str>),
    /// It names no host, or not one that there can be.
    #[error("{0}; write it as http://127.0.0.1:5000/path or http://[::1]:5000/path")]
    Authority(AuthorityError),
    /// A user's name or password.
    #[error(
        "a name before '@' is not sent; leave it out, and give -H 'Authorization: ...' where it is needed"
    )]
    Userinfo,
    /// No path.
    #[error("{0}")]
    Path(#[from] PathError),
}

impl Target {
    /// Host and port as they were written: the value of Host.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port: 80 where none was written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is asked for there.
    pub fn path(&self) -> &PathTemplate {
        &self.path
    }
}

/// The URL as it was written, its scheme added where it was left out.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(written: &str) -> Result<Self, TargetError> {
        let rest = without_scheme(written)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{path}").parse()?;
        Ok(Target { written: format!("http://{rest}").into(), authority: authority.into(), host, port, path })
    }
}

fn without_scheme(written: &str) -> Result<&str, TargetError> {
    let is_scheme = |text: &str| !text.contains(['/', '?', '#']);
    let Some((scheme, rest)) = written.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok(written);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(rest),
        "https" => Err(TargetError::Tls),
        _ => Err(TargetError::Scheme(scheme.into())),
    }
}

fn host_and_port(written: &str) -> Result<(Box<str>, u16), TargetError> {
    let authority = Authority::parse(written.as_bytes()).map_err(|error| match error {
        AuthorityError::Userinfo => TargetError::Userinfo,
        error => TargetError::Authority(error),
    })?;
    let host = &written[..authority.host().len()];
    let port = match authority.port() {
        Some(port) if port > 0 => port,
        None if host.len() == written.len() => PORT,
        _ => return Err(TargetError::Authority(AuthorityError::InvalidPort)),
    };
    Ok((host.trim_matches(['[', ']']).into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_server_and_path() {
        for (written, authority, host, port, path) in [
            ("http://127.0.0.1:5000/a?b", "127.0.0.1:5000", "127.0.0.1", 5000, "/a?b"),
            ("HTTP://localhost", "localhost", "localhost", 80, "/"),
            ("localhost:81/{key}", "localhost:81", "localhost", 81, "/{key}"),
            ("http://[::1]:81?x=1", "[::1]:81", "::1", 81, "/?x=1"),
            ("[::1]", "[::1]", "::1", 80, "/"),
            ("proxy/go?to=http://other/", "proxy", "proxy", 80, "/go?to=http://other/"),
        ] {
            let target: Target = written.parse().unwrap();
            assert_eq!(
                (target.authority(), target.host(), target.port(), target.path()),
                (authority, host, port, &path.parse().unwrap()),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_what_to_write() {
        for (written, expected) in [
            ("https://a/", "only plain HTTP is spoken; write http:// and the address of a plain listener"),
            ("HTTPS://a/", "only plain HTTP is spoken"),
            ("ftp://a/", "write http:// and not ftp://"),
            ("", "the host is empty; write it as http://127.0.0.1:5000/path"),
            ("http://", "the host is empty"),
            ("/path", "the host is empty"),
            ("http://:80/", "the host is empty"),
            ("http://a b/", "the host is not a valid name"),
            ("http://{key}/", "the host is not a valid name"),
            ("http://[::1/", "the host is not a valid name"),
            ("::1", "the host is empty"),
            ("http://a:/", "the port is not a number of at most 65535"),
            ("http://a:0/", "the port is not a number"),
            ("http://a:65536/", "the port is not a number"),
            ("http://user:word@a/", "a name before '@' is not sent"),
            ("http://a/b#c", "what follows '#' is not sent"),
            ("http://a#c", "what follows '#' is not sent"),
            ("http://a/b c", "encode a blank as %20"),
            ("http://a/{id}", "'{id}' stands for nothing here"),
        ] {
            let error = written.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }
}
