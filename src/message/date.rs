//! Dates as HTTP writes them (RFC 9110 5.6.7).

use std::fmt;

use crate::base::calendar::calendar_day;

/// The last second that four digits of a year can show: 9999-12-31 23:59:59.
const SECONDS_MAX: u64 = 253_402_300_799;
const SECONDS_PER_DAY: u64 = 86_400;
/// 1970-01-01 was a Thursday.
const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A date in its preferred form, IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; 29]);

impl HttpDate {
    /// The date so many seconds after 1970 began; what is beyond the year 9999 counts as its end.
    pub fn from_unix_seconds(seconds: u64) -> HttpDate {
        let seconds = seconds.min(SECONDS_MAX);
        let (days, of_day) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
        let (year, month, day) = calendar_day(days);
        let mut text = *b"???, ?? ??? ???? ??:??:?? GMT";
        text[..3].copy_from_slice(DAYS[(days % 7) as usize]);
        two_digits(&mut text, 5, day);
        text[8..11].copy_from_slice(MONTHS[month]);
        two_digits(&mut text, 12, year / 100);
        two_digits(&mut text, 14, year % 100);
        two_digits(&mut text, 17, of_day / 3_600);
        two_digits(&mut text, 20, of_day / 60 % 60);
        two_digits(&mut text, 23, of_day % 60);
        HttpDate(text)
    }

    /// The 29 bytes, in ASCII.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn two_digits(text: &mut [u8; 29], at: usize, number: u64) {
    text[at] = b'0' + (number / 10 % 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64) -> String {
        String::from_utf8(HttpDate::from_unix_seconds(seconds).as_bytes().to_vec()).expect("ASCII")
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // As `date -u -d @SECONDS` writes them.
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (1_767_225_600, "Thu, 01 Jan 2026 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (SECONDS_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(written(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn each_day_of_eight_centuries_follows_the_one_before() {
        let is_leap =
            |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..800 * 366 {
            assert_eq!(calendar_day(days), (year, month, day), "{days}");
            let length = match month {
                1 => 28 + u64::from(is_leap(year)),
                3 | 5 | 8 | 10 => 30,
                _ => 31,
            };
            (day, month) = if day == length { (1, month + 1) } else { (day + 1, month) };
            (month, year) = if month == 12 { (0, year + 1) } else { (month, year) };
        }
    }
}
