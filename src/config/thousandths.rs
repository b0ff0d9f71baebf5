//! Numbers with a few decimals, exactly: a binary fraction would turn 1.001 into something beside it.

/// How many digits may stand behind the point.
pub(super) const DECIMALS_MAX: usize = 3;
/// One, in thousandths.
const ONE: i128 = 1_000;

/// The thousandths of a whole number, as written without its prefix. One that is too large for the type is the type's
/// largest or smallest, which no range holds.
pub(super) fn of_whole(written: &str, radix: u32) -> Option<i128> {
    let out_of_range = if written.starts_with('-') { i128::MIN } else { i128::MAX };
    let digits = written.trim_start_matches(['+', '-']);
    let proper = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    let number = i128::from_str_radix(written, radix).ok().and_then(|number| number.checked_mul(ONE));
    proper.then(|| number.unwrap_or(out_of_range))
}

/// The thousandths of a fraction as written; `None` if it has more decimals, or an exponent, or is no number.
pub(super) fn of_fraction(written: &str) -> Option<i128> {
    let (whole, decimals) = written.split_once('.')?;
    let proper =
        (1..=DECIMALS_MAX).contains(&decimals.len()) && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let decimals: i128 = format!("{decimals:0<DECIMALS_MAX$}").parse().ok().filter(|_| proper)?;
    let whole_thousandths = of_whole(whole, 10)?;
    let signed = if whole.starts_with('-') { -decimals } else { decimals };
    Some(whole_thousandths.saturating_add(signed))
}

/// Thousandths as they are written: `1.01`, `10`.
pub(super) fn show(thousandths: i128) -> String {
    let text = format!("{}.{:0>DECIMALS_MAX$}", thousandths / ONE, (thousandths % ONE).abs());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_kept_exactly() {
        let cases = [
            ("1.0", Some(1_000)),
            ("1.25", Some(1_250)),
            ("+1.001", Some(1_001)),
            ("10.000", Some(10_000)),
            ("-0.5", Some(-500)),
            ("-1.5", Some(-1_500)),
            ("99999999999999999999999999999999999999999999.5", Some(i128::MAX)),
            ("-99999999999999999999999999999999999999999999.5", Some(i128::MIN)),
            ("1.2500", None),
            ("1.", None),
            (".5", None),
            ("1e3", None),
            ("1.5e0", None),
            ("inf", None),
            ("nan", None),
        ];
        for (written, expected) in cases {
            assert_eq!(of_fraction(written), expected, "{written}");
        }
    }

    #[test]
    fn whole_numbers_are_read_in_their_own_base() {
        let cases = [
            ("2", 10, Some(2_000)),
            ("-2", 10, Some(-2_000)),
            ("a", 16, Some(10_000)),
            ("99999999999999999999999999999999999999999999", 10, Some(i128::MAX)),
            ("-170141183460469231731687303715884105728", 10, Some(i128::MIN)),
            ("", 10, None),
            ("-", 10, None),
            ("x", 10, None),
        ];
        for (written, radix, expected) in cases {
            assert_eq!(of_whole(written, radix), expected, "{written}");
        }
    }

    #[test]
    fn bounds_are_shown_without_zeros_that_say_nothing() {
        for (thousandths, expected) in [(1_010, "1.01"), (10_000, "10"), (1_001, "1.001"), (0, "0")] {
            assert_eq!(show(thousandths), expected);
        }
    }
}
