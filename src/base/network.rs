//! Networks of addresses (CIDR, RFC 4632 and RFC 4291 2.3), and lists of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// All addresses that begin with the same bits. Those of IPv4 that are written in IPv6 (`::ffff:192.0.2.1`) are taken as
/// what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first address; the bits beyond the prefix are zero.
    first: IpAddr,
    prefix_bits: u8,
}

/// Why a string is no [`Network`]. Each text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// What stands before the slash is no address.
    #[error("'{0}' is no address or network; write it as 10.0.0.0/8, 192.0.2.1, fd00::/8 or ::1")]
    Address(Box<str>),
    /// What stands behind the slash is no number of bits of such an address.
    #[error("'{written}' needs a number of bits from 0 to {bits_max} behind the slash")]
    Bits {
        /// The string as written.
        written: Box<str>,
        /// How many bits the address has.
        bits_max: u8,
    },
    /// The address has bits beyond the prefix: one of the two is not what was meant.
    #[error("'{written}' has bits set beyond its first {}; write {network}, or the address alone", network.prefix_bits)]
    BeyondPrefix {
        /// The string as written.
        written: Box<str>,
        /// The network that it lies in.
        network: Network,
    },
}

impl Network {
    /// Whether an address belongs to it; `address` is canonical ([`IpAddr::to_canonical`]).
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && first_of(address, self.prefix_bits) == self.first
    }
}

/// The first address with the same first bits.
fn first_of(address: IpAddr, prefix_bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(written: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match written.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (written, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address(written.into()))?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let is_number =
            |bits: &&str| (1..=3).contains(&bits.len()) && bits.bytes().all(|b| b.is_ascii_digit());
        let prefix_bits = match bits {
            None => Some(bits_max),
            Some(bits) => Some(bits).filter(is_number).and_then(|bits| bits.parse().ok()),
        };
        let prefix_bits = prefix_bits
            .filter(|&bits| bits <= bits_max)
            .ok_or_else(|| NetworkError::Bits { written: written.into(), bits_max })?;
        let first = first_of(address, prefix_bits);
        let network = Network { first, prefix_bits }.canonical();
        if first == address {
            Ok(network)
        } else {
            Err(NetworkError::BeyondPrefix { written: written.into(), network })
        }
    }
}

impl Network {
    /// Addresses are compared in their canonical form, so a network of IPv4 in IPv6 has to be one of IPv4.
    fn canonical(self) -> Self {
        match (self.first.to_canonical(), self.prefix_bits.checked_sub(96)) {
            (first @ IpAddr::V4(_), Some(prefix_bits)) if self.first.is_ipv6() => {
                Network { first, prefix_bits }
            }
            _ => self,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.first, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_that_begin_as_it_does() {
        // network, an address, whether it belongs to it
        let cases = [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "9.255.255.255", false),
            ("192.0.2.128/25", "192.0.2.129", true),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.2", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("2001:db8::7", "2001:db8::7", true),
            ("2001:db8::7", "2001:db8::8", false),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
        ];
        for (network, address, expected) in cases {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), expected, "{network} and {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_to_write() {
        let cases = [
            ("", "write it as 10.0.0.0/8"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/8/8", "from 0 to 32"),
            ("10.0.0.0/0008", "from 0 to 32"),
            ("::1/129", "from 0 to 128"),
            ("10.0.0.1/8", "write 10.0.0.0/8, or the address alone"),
            ("fd00::1/8", "write fd00::/8"),
            ("10.0.0", "write it as"),
            ("10.0.0.0:80", "write it as"),
            ("[::1]", "write it as"),
            ("localhost", "write it as"),
            ("fe80::1%eth0", "write it as"),
        ];
        for (written, expected) in cases {
            let error = written.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }
}
