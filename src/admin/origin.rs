//! Whether a browser sends a change for the page of another site. Pure.
//!
//! Where there is no token, whoever reaches the admin listener may make changes; on a loopback address that is to be the
//! machine's own users. But any page that one of them looks at can make their browser send `POST /add` to 127.0.0.1. Browsers
//! say in the field Origin for which page they send a POST or DELETE, and nothing else sends one: commands and curl do not.
//! So a change with an Origin other than the address that was asked is refused. The address has to be a number or
//! `localhost`, because a page can make its own name resolve to 127.0.0.1.
//!
//! Where there is a token, that is enough: a page does not know it, and browsers do not add it by themselves. What only
//! reads is answered: a page gets to see answers of another origin only if they allow it, and ours never do.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};

/// What the caller is told.
pub(super) const REFUSAL: &str = "a browser sends this for a page of another site; set admin.token_file to let others than the \
     machine's own commands make changes";

/// Whether this is a change that the page of another site asks for.
pub(super) fn is_foreign(method: &Method, fields: &HeaderMap) -> bool {
    if method.is_safe() {
        return false;
    }
    let host = fields.get(header::HOST).and_then(|host| host.to_str().ok());
    let mut origins = fields.get_all(header::ORIGIN).iter();
    origins.any(|origin| !host.is_some_and(|host| origin.to_str().is_ok_and(|origin| is_own(origin, host))))
}

fn is_own(origin: &str, host: &str) -> bool {
    let Some(authority) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else {
        return false;
    };
    authority.eq_ignore_ascii_case(host) && is_fixed(authority)
}

/// Whether no name server decides what this is.
fn is_fixed(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(host: &str, origins: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(header::HOST, host.parse().unwrap());
        for origin in origins {
            fields.append(header::ORIGIN, origin.parse().unwrap());
        }
        fields
    }

    #[test]
    fn a_change_is_foreign_unless_it_comes_from_the_address_that_is_asked() {
        for (host, origins, expected) in [
            ("127.0.0.1:8081", &[][..], false),
            ("127.0.0.1:8081", &["http://127.0.0.1:8081"], false),
            ("LOCALHOST:8081", &["http://localhost:8081"], false),
            ("[::1]:8081", &["http://[::1]:8081"], false),
            ("127.0.0.1", &["https://127.0.0.1"], false),
            ("127.0.0.1:8081", &["https://evil.example"], true),
            ("127.0.0.1:8081", &["http://127.0.0.1:3000"], true),
            ("127.0.0.1:8081", &["http://127.0.0.1"], true),
            ("127.0.0.1:8081", &["null"], true),
            ("127.0.0.1:8081", &[""], true),
            ("127.0.0.1:8081", &["http://127.0.0.1:8081", "http://evil.example"], true),
            // The name of a page that resolves to this machine.
            ("evil.example:8081", &["http://evil.example:8081"], true),
            ("localhost.evil.example", &["http://localhost.evil.example"], true),
            ("127.0.0.1@evil.example", &["http://127.0.0.1@evil.example"], true),
        ] {
            for method in [Method::POST, Method::DELETE] {
                assert_eq!(is_foreign(&method, &fields(host, origins)), expected, "{host} {origins:?}");
            }
            assert!(!is_foreign(&Method::GET, &fields(host, origins)));
        }
        let no_host = HeaderMap::from_iter([(header::ORIGIN, "http://127.0.0.1".parse().unwrap())]);
        assert!(is_foreign(&Method::POST, &no_host));
    }
}
