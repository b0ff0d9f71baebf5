//! Numbers for people: three digits and the unit that fits.

use std::time::Duration;

/// A time: `0 µs`, `1.23 ms`, `45.6 s`.
pub fn time(time: Duration) -> String {
    let micros = time.as_nanos() as f64 / 1e3;
    match micros {
        0.0 => "0 µs".to_owned(),
        ..999.5 => three_digits(micros) + " µs",
        ..999_500.0 => three_digits(micros / 1e3) + " ms",
        _ => three_digits(micros / 1e6) + " s",
    }
}

/// An amount of bytes: `12 B`, `1.23 MiB`.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 999.5 {
        return format!("{bytes:.0} B");
    }
    let mut value = bytes / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A whole number with its thousands apart: `1,234,567`.
pub fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// `digits`, of which some may follow a point, with a comma between thousands.
pub(in crate::load) fn grouped(digits: &str) -> String {
    let whole = digits.find('.').unwrap_or(digits.len());
    let begin = usize::from(digits.starts_with('-'));
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > begin && at < whole && (whole - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things per second: whole from a hundred on, with a decimal below.
pub fn rate(per_second: f64) -> String {
    if per_second < 99.95 { format!("{per_second:.1}") } else { count(per_second.round() as u64) }
}

fn three_digits(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_digits_and_the_unit_that_fits() {
        for (nanos, expected) in [
            (0, "0 µs"),
            (100, "0.10 µs"),
            (12_300, "12.3 µs"),
            (999_400, "999 µs"),
            (999_600, "1.00 ms"),
            (9_996_000, "10.0 ms"),
            (123_456_000, "123 ms"),
            (999_600_000, "1.00 s"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), expected);
        }
    }

    #[test]
    fn bytes_have_the_unit_that_fits() {
        for (amount, expected) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_000.0, "0.98 KiB"),
            (1_536.0, "1.50 KiB"),
            (52_428_800.0, "50.0 MiB"),
            (5e15, "4547 TiB"),
        ] {
            assert_eq!(bytes(amount), expected);
        }
    }

    #[test]
    fn large_numbers_have_their_thousands_apart() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
        for (number, expected) in [(0.0, "0.0"), (12.34, "12.3"), (99.97, "100"), (12_345.6, "12,346")] {
            assert_eq!(rate(number), expected);
        }
    }
}
