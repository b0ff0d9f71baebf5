//! `[admin]`: where control calls are answered, and to whom.

use std::fmt;
use std::net::SocketAddr;

use super::error::Fault;
use super::section::Section;
use super::value::Value;
use super::{AdminConfig, address};

/// The longest token.
const TOKEN_BYTES_MAX: usize = 4_096;

/// The bearer token of control calls (RFC 6750): visible ASCII, never empty, shown to nobody.
#[derive(Clone)]
pub struct AdminToken(Box<str>);

impl AdminToken {
    /// Whether a caller presented the token. Takes as long for a wrong one as for the right one of the same length.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let difference = own.iter().zip(presented).fold(0, |found, (own, other)| found | (own ^ other));
        own.len() == presented.len() && std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdminToken(..)")
    }
}

impl AdminConfig {
    /// The first address through which others can call without a token: its own, or one of the ingress.
    pub(super) fn exposed_address(&self, ingress: &[SocketAddr]) -> Option<SocketAddr> {
        if self.token.is_some() {
            return None;
        }
        let on_ingress = ingress.iter().filter(|_| self.on_ingress);
        std::iter::once(&self.listen).chain(on_ingress).find(|address| address::is_public(address)).copied()
    }
}

/// Reads the section; `ingress` are the addresses that `on_ingress` would open to control calls.
pub(super) fn read(section: &mut Section<'_>, ingress: &[SocketAddr]) -> AdminConfig {
    let listen = listen(section, ingress);
    let (token, is_token_named) = match section.value("token_file") {
        Some(value) => match value.text("\"token\"") {
            Some("") => (None, false),
            path => (path.and_then(|path| token(&value, path)), true),
        },
        None => (None, false),
    };
    let admin = AdminConfig {
        listen,
        on_ingress: section.flag("on_ingress", false),
        token,
        allow_unauthenticated: section.flag("allow_unauthenticated", false),
    };
    // A token that cannot be read is an error of its own; that nobody is kept out then is only its consequence.
    if !is_token_named && !admin.allow_unauthenticated {
        refuse_exposure(section, &admin, ingress);
    }
    admin
}

fn listen(section: &mut Section<'_>, ingress: &[SocketAddr]) -> SocketAddr {
    let value = section.value("listen");
    let written = value.as_ref().and_then(|value| address::read(value, "\"127.0.0.1:8081\""));
    let listen = written.unwrap_or(address::DEFAULT_ADMIN);
    let failed = value.is_some() && written.is_none();
    if !failed && listen.port() != 0 && ingress.contains(&listen) {
        section.fail("listen", Fault::DuplicateAddress(listen));
    }
    listen
}

fn refuse_exposure(section: &Section<'_>, admin: &AdminConfig, ingress: &[SocketAddr]) {
    let Some(address) = admin.exposed_address(ingress) else { return };
    let key = if address == admin.listen { "listen" } else { "on_ingress" };
    section.fail(key, Fault::Exposed { address });
}

/// Reads the token's file, without the blanks and line breaks around the token.
fn token(value: &Value<'_>, path: &str) -> Option<AdminToken> {
    let reader = value.reader;
    let unreadable = |reason| Fault::TokenUnreadable { path: path.to_owned(), reason };
    let read = reader.surroundings.read(&reader.folder.join(path), TOKEN_BYTES_MAX);
    let bytes = value.check(read.map_err(unreadable))?;
    let token = parse_token(&bytes);
    value.check(token.ok_or_else(|| Fault::Token { path: path.to_owned(), bytes_max: TOKEN_BYTES_MAX }))
}

fn parse_token(bytes: &[u8]) -> Option<AdminToken> {
    let token = str::from_utf8(bytes.trim_ascii()).ok()?;
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    (is_token && bytes.len() <= TOKEN_BYTES_MAX).then(|| AdminToken(token.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_stands_between_the_blanks() {
        let token = parse_token(b" s3cret+/=\r\n\n").unwrap();
        for (presented, expected) in [
            ("s3cret+/=", true),
            ("s3cret+/", false),
            ("s3cret+/==", false),
            ("", false),
            ("S3cret+/=", false),
        ] {
            assert_eq!(token.matches(presented.as_bytes()), expected, "{presented}");
        }
        assert_eq!(format!("{token:?}"), "AdminToken(..)");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = [b'x'; TOKEN_BYTES_MAX + 1];
        for bytes in [&b""[..], b" \n", b"two words", b"two\nlines", b"\xff", b"nul\0", &long] {
            assert!(parse_token(bytes).is_none(), "{bytes:?}");
        }
        assert!(parse_token(&long[1..]).is_some());
    }
}
