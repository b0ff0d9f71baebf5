//! Days as the Gregorian calendar counts them.

/// Year, month (counted from 0) and day (counted from 1) of a day since 1970 began, in the Gregorian calendar.
///
/// It counts from the 1st of March of the year 0, so that a leap day is a year's last: the months from there on begin
/// at the 153 days of five months divided evenly (31, 30, 31, 30, 31).
pub fn calendar_day(days_since_1970: u64) -> (u64, usize, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days_since_1970 + DAYS_TO_1970;
    let (era, of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = (months_since_march + 2) % 12;
    let year = 400 * era + year_of_era + u64::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, (1970, 0, 1)),
            (58, (1970, 1, 28)),
            (59, (1970, 2, 1)),
            (789, (1972, 1, 29)),
            (11_016, (2000, 1, 29)),
            (20_088, (2024, 11, 31)),
            (20_089, (2025, 0, 1)),
            (47_540, (2100, 1, 28)),
            (47_541, (2100, 2, 1)),
        ] {
            assert_eq!(calendar_day(days), expected, "{days}");
        }
    }
}
