//! Numbers as people read them.

use crate::load::output::units::grouped;

/// From here on a number is shown by its powers of ten.
const SCIENTIFIC_FROM: f64 = 1e15;
/// Below this too, zero apart.
const SCIENTIFIC_BELOW: f64 = 1e-6;
/// Larger units, the largest first. Thousands keep their digits: `12,500` is read faster than `12.5k`.
const UNITS: [(f64, &str); 3] = [(1e12, "T"), (1e9, "G"), (1e6, "M")];

/// How all numbers of one axis are written, so that they can be compared digit by digit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// One of [`UNITS`], or one and nothing.
    unit: (f64, &'static str),
    decimals: usize,
    is_scientific: bool,
}

impl Format {
    /// For multiples of `step` up to `largest`.
    pub(super) fn of_step(step: f64, largest: f64) -> Format {
        let unit = unit_of(largest);
        let is_scientific = largest >= SCIENTIFIC_FROM || step < SCIENTIFIC_BELOW;
        // In powers of ten the digits are those between the largest and the step.
        let smallest = if is_scientific { step / largest } else { step / unit.0 };
        let decimals = (-(smallest.log10() + 1e-9).floor()).clamp(0.0, 15.0) as usize;
        Format { unit, decimals, is_scientific }
    }

    /// `value` in this format.
    pub(super) fn write(&self, value: f64) -> String {
        if value == 0.0 {
            "0".to_owned()
        } else if self.is_scientific {
            scientific(value, self.decimals)
        } else {
            format!("{}{}", grouped(&format!("{:.*}", self.decimals, value / self.unit.0)), self.unit.1)
        }
    }
}

/// A number that stands for itself, to three significant digits; whole numbers below a million exactly.
pub(in crate::load) fn short(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(SCIENTIFIC_BELOW..SCIENTIFIC_FROM).contains(&size) {
        return scientific(value, 2);
    }
    let unit = unit_of(size);
    let scaled = value / unit.0;
    // 999.6 would be written with four digits, which is harmless.
    let decimals = (2.0 - scaled.abs().log10().floor()).clamp(0.0, 8.0) as usize;
    let digits = format!("{scaled:.decimals$}");
    format!("{}{}", grouped(without_trailing_zeros(&digits)), unit.1)
}

fn unit_of(size: f64) -> (f64, &'static str) {
    UNITS.into_iter().find(|(unit, _)| size >= *unit).unwrap_or((1.0, ""))
}

fn scientific(value: f64, decimals: usize) -> String {
    let written = format!("{value:.decimals$e}");
    match written.split_once('e') {
        Some((digits, power)) => format!("{}e{power}", without_trailing_zeros(digits)),
        None => written,
    }
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_stand_for_themselves_have_three_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (7.0, "7"),
            (0.123_456, "0.123"),
            (12.345, "12.3"),
            (0.001, "0.001"),
            (999.0, "999"),
            (1_234.0, "1,234"),
            (999_999.0, "999,999"),
            (-1_234.5, "-1,234"),
            (1_234_567.0, "1.23M"),
            (2e6, "2M"),
            (5.5e9, "5.5G"),
            (1e300, "1e300"),
            (3.2e-9, "3.2e-9"),
        ] {
            assert_eq!(short(value), expected, "{value}");
        }
    }

    #[test]
    fn numbers_of_one_axis_have_the_same_digits() {
        for (step, values, expected) in [
            (0.5, [0.0, 0.5, 1.0], ["0", "0.5", "1.0"]),
            (20.0, [0.0, 20.0, 100.0], ["0", "20", "100"]),
            (5_000.0, [0.0, 5_000.0, 25_000.0], ["0", "5,000", "25,000"]),
            (200_000.0, [0.0, 800_000.0, 1_200_000.0], ["0", "0.8M", "1.2M"]),
            (0.000_2, [0.0, 0.000_2, 0.001], ["0", "0.0002", "0.0010"]),
            (2e-9, [0.0, 2e-9, 1e-8], ["0", "2e-9", "1e-8"]),
            (5e299, [0.0, 5e299, 1.5e300], ["0", "5e299", "1.5e300"]),
        ] {
            let format = Format::of_step(step, values[2]);
            assert_eq!(values.map(|value| format.write(value)), expected, "{step}");
        }
    }
}
