//! Socket addresses: numbers, or names that are resolved once.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::base::route_match::HostPattern;

use super::error::Fault;
use super::surroundings::Surroundings;
use super::value::Value;

/// Where clients are listened to if the file does not say.
pub(super) const DEFAULT_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));
/// Where the operator is listened to if the file does not say.
pub(super) const DEFAULT_ADMIN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8081));

/// The address that a string value names.
pub(super) fn read(value: &Value<'_>, example: &'static str) -> Option<SocketAddr> {
    let written = value.text(example)?;
    value.check(parse(written, value.reader.surroundings))
}

/// An address, or a name's address: its first of IPv4 if it has one, else its first. One address is kept and no other
/// is tried, and of `localhost` it is the one of IPv4 that servers bind when told only a port.
fn parse(written: &str, surroundings: &dyn Surroundings) -> Result<SocketAddr, Fault> {
    if let Ok(address) = written.parse() {
        return Ok(address);
    }
    if !is_name_and_port(written) {
        return Err(Fault::Address(written.to_owned()));
    }
    let unresolved = |reason: String| Fault::Unresolved { name: written.to_owned(), reason };
    let addresses = surroundings.resolve(written).map_err(|error| unresolved(error.to_string()))?;
    let ipv4 = addresses.iter().find(|address| address.is_ipv4());
    ipv4.or(addresses.first()).copied().ok_or_else(|| unresolved("it has no address".to_owned()))
}

fn is_name_and_port(written: &str) -> bool {
    let Some((name, port)) = written.rsplit_once(':') else { return false };
    let is_name = !name.starts_with('[') && matches!(name.parse(), Ok(HostPattern::Exact(_)));
    // What is all digits and dots was meant as an address, and is none.
    let is_name = is_name && !name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_name && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Whether others than this machine can reach a listener of this address.
pub(super) fn is_public(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;

    /// Knows `both` (an address of each family, IPv6 first), `six` and `none`.
    struct Names;

    impl Surroundings for Names {
        fn resolve(&self, host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
            match host_and_port {
                "both:80" => {
                    Ok(["[::1]:80", "192.0.2.1:80", "192.0.2.2:80"].map(|one| one.parse().unwrap()).into())
                }
                "six:80" => Ok(vec!["[::1]:80".parse().unwrap()]),
                "none:80" => Ok(Vec::new()),
                _ => Err(io::Error::other("no such name")),
            }
        }

        fn read(&self, _: &Path, _: usize) -> io::Result<Vec<u8>> {
            Err(io::Error::other("no files here"))
        }
    }

    #[test]
    fn numbers_stand_for_themselves_and_a_name_for_its_first_address_of_ipv4() {
        let cases = [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
            ("both:80", "192.0.2.1:80"),
            ("six:80", "[::1]:80"),
        ];
        for (written, expected) in cases {
            assert_eq!(parse(written, &Names).unwrap(), expected.parse().unwrap(), "{written}");
        }
    }

    #[test]
    fn a_name_without_address_is_an_error_that_says_why() {
        for (written, reason) in [("none:80", "it has no address"), ("other:80", "no such name")] {
            let error = parse(written, &Names).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("write an IP address"), "{error}");
        }
    }

    #[test]
    fn what_is_neither_is_never_looked_up() {
        let cases = [
            "",
            "both",
            ":80",
            "both:",
            "both:http",
            "both:+80",
            "both:65536",
            "*:80",
            "256.0.0.1:80",
            "::1:80",
            "[::1]",
            "[::g]:80",
            "http://both:80",
            "bo th:80",
        ];
        for written in cases {
            assert!(matches!(parse(written, &Names), Err(Fault::Address(_))), "{written}");
        }
    }

    #[test]
    fn loopback_is_all_of_127_and_one_of_ipv6() {
        for (address, expected) in [
            ("127.0.0.1:1", false),
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("192.168.0.1:1", true),
        ] {
            assert_eq!(is_public(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
