//! Values of the options: numbers and times within bounds, each refusal with what to write instead.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest text of a time that is read. Longer ones say nothing that a shorter one does not, and their sums could leave
/// the range of what the reader of times adds up.
const TIME_BYTES_MAX: usize = 16;

/// A whole number from 1 to `most`.
pub(super) fn count<T: TryFrom<NonZeroU64>>(written: &str, most: u64) -> Result<T, String> {
    let number = whole(written, 1..=most)?;
    let fault = || format!("write a whole number from 1 to {most}");
    NonZeroU64::new(number).and_then(|number| T::try_from(number).ok()).ok_or_else(fault)
}

/// A whole number of `range`.
pub(super) fn whole(written: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let number = written.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
}

/// A number of `range`, with or without a fraction.
pub(super) fn number(written: &str, range: RangeInclusive<f64>) -> Result<f64, String> {
    let number = written.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a number from {} to {}", range.start(), range.end()))
}

/// A time of `range`: `500ms`, `10s`, `2m`, `1h`, or a number of seconds.
pub(super) fn time(written: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let is_bare = written.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let with_unit = format!("{written}{}", if is_bare { "s" } else { "" });
    let read = (written.len() <= TIME_BYTES_MAX).then(|| humantime::parse_duration(&with_unit).ok());
    read.flatten().filter(|time| range.contains(time)).ok_or_else(|| {
        let [least, most] = [range.start(), range.end()].map(|time| humantime::format_duration(*time));
        format!("write a time from {least} to {most}, such as 500ms, 10s or 2m")
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        for (written, millis) in [
            ("1ms", 1),
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("10", 10_000),
            ("0.25", 250),
        ] {
            let read = time(written, Duration::from_millis(1)..=HOUR);
            assert_eq!(read, Ok(Duration::from_millis(millis)), "{written}");
        }
    }

    #[test]
    fn what_is_no_time_or_out_of_bounds_is_refused_with_what_to_write() {
        let expected = Err("write a time from 1ms to 1h, such as 500ms, 10s or 2m".to_owned());
        for written in [
            "",
            ".",
            "-1s",
            "10 parsecs",
            "1M",
            "0",
            "0.5ms",
            "61m",
            "1e3",
            "18446744073709551615s1000ms",
            "s",
            "1..2",
        ] {
            assert_eq!(time(written, Duration::from_millis(1)..=HOUR), expected, "{written}");
        }
    }

    #[test]
    fn numbers_keep_their_bounds() {
        assert_eq!(count("7", 7), Ok(NonZeroU32::MIN.saturating_add(6)));
        for written in ["0", "8", "", "1.5", "-1", "seven"] {
            assert_eq!(count::<NonZeroU32>(written, 7), Err("write a whole number from 1 to 7".to_owned()));
        }
        assert_eq!(whole("0", 0..=3), Ok(0));
        assert_eq!(whole("4", 0..=3), Err("write a whole number from 0 to 3".to_owned()));
        assert_eq!(number("0.5", 0.1..=2.0), Ok(0.5));
        for written in ["0", "2.1", "NaN", "inf", ""] {
            assert_eq!(number(written, 0.1..=2.0), Err("write a number from 0.1 to 2".to_owned()));
        }
    }
}
