//! `replicas` of the provider `process`: child processes.

use std::ops::RangeInclusive;

use super::error::Fault;
use super::section::Section;
use super::value::Value;
use super::{PORT_MIN, ProcessConfig, owned};

/// The keys that only child processes have.
pub(super) const KEYS: [&str; 2] = ["directory", "ports"];

const USER_BYTES_MAX: usize = 64;
/// The largest number of a user; the one above stands for "no change" in system calls.
const USER_NUMBER_MAX: u32 = u32::MAX - 1;

/// Reads the table of a service's own processes.
pub(super) fn read(section: &mut Section<'_>) -> ProcessConfig {
    let count = owned::count(section);
    ProcessConfig {
        count,
        command: owned::command(section),
        environment: owned::environment(section),
        directory: section.value("directory").and_then(|value| value.path("\"work\"")),
        user: section.value("user").and_then(|value| user(&value)),
        ports: section.value("ports").and_then(|value| ports(&value, count)),
        supervision: owned::supervision(section),
    }
}

/// A name, or a number written with or without quotes.
fn user(value: &Value<'_>) -> Option<Box<str>> {
    if value.is_whole_number() {
        let number = value.number(0..=USER_NUMBER_MAX, "write the user's number")?;
        return Some(number.to_string().into());
    }
    let written = value.text("\"nobody\"")?;
    let proper =
        if is_user(written) { Ok(written.into()) } else { Err(Fault::User { bytes_max: USER_BYTES_MAX }) };
    value.check(proper)
}

fn is_user(written: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_graphic() && !b":/".contains(&byte);
    let is_name = (1..=USER_BYTES_MAX).contains(&written.len()) && written.bytes().all(is_name_byte);
    let is_number = written.bytes().all(|byte| byte.is_ascii_digit());
    is_name && (!is_number || written.parse().is_ok_and(|number: u32| number <= USER_NUMBER_MAX))
}

/// `LOW-HIGH`, with a port at least for each of the first replicas.
fn ports(value: &Value<'_>, count: usize) -> Option<RangeInclusive<u16>> {
    let written = value.text("\"20000-29999\"")?;
    let unreadable = || Fault::Ports { written: written.to_owned(), min: PORT_MIN };
    let range = value.check(port_range(written).ok_or_else(unreadable))?;
    let ports = range.len();
    let proper = if ports >= count { Ok(range) } else { Err(Fault::FewPorts { ports, count }) };
    value.check(proper)
}

fn port_range(written: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = written.split_once('-')?;
    let (low, high) = (port(low)?, port(high)?);
    (PORT_MIN <= low && low < high).then_some(low..=high)
}

fn port(written: &str) -> Option<u16> {
    // The number's own reader would take a sign, too.
    let is_digits = written.bytes().all(|byte| byte.is_ascii_digit());
    written.parse().ok().filter(|_| is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_is_two_numbers_in_their_order() {
        let cases = [
            ("20000-29999", Some(20_000..=29_999)),
            ("1024-1025", Some(1_024..=1_025)),
            ("1024-65535", Some(1_024..=65_535)),
            ("1023-2000", None),
            ("2000-2000", None),
            ("2001-2000", None),
            ("2000-65536", None),
            ("2000", None),
            ("2000-", None),
            ("-2000", None),
            ("", None),
            ("+2000-3000", None),
            ("2000 - 3000", None),
            ("2000-3000-4000", None),
        ];
        for (written, expected) in cases {
            assert_eq!(port_range(written), expected, "{written}");
        }
    }

    #[test]
    fn users_have_names_or_numbers() {
        let long = "x".repeat(USER_BYTES_MAX);
        for written in
            ["nobody", "0", "4294967294", "_www", "web.server-1", "DOMAIN\\user", "user@domain", &long]
        {
            assert!(is_user(written), "{written}");
        }
        let longer = long.clone() + "x";
        for written in ["", "a b", "a:b", "../a", "é", "4294967295", "99999999999", &longer] {
            assert!(!is_user(written), "{written}");
        }
    }
}
