//! An axis measured out: where values stand on it, and where its ticks are.

use super::Scale;
use super::number::{self, Format};

/// Values beyond this, either way, are dropped: differences of two such values would overflow.
const VALUE_MAX: f64 = 1e300;
/// Values nearer to zero than this are zero: a share of them would be lost.
const VALUE_MIN: f64 = 1e-290;
/// A range that is narrower than this share of its values is a single value: its ticks could not be told apart.
const NARROWEST: f64 = 1e-9;
/// An end that is nearer than this share of the axis to the next tick moves there.
const NEAR: f64 = 0.03;
/// More decades than this, and the lines between them are left out.
const DECADES_WITH_LINES: i32 = 6;

/// An axis with a beginning and an end.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    scale: Scale,
    /// Beginning and end, as [`spread`].
    from: f64,
    to: f64,
    /// What is labelled.
    pub(super) ticks: Vec<Tick>,
    /// Where else a fine line is drawn, from 0 to 1.
    pub(super) minor: Vec<f64>,
}

/// A labelled place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// From 0 at the axis' beginning to 1 at its end.
    pub(super) at: f64,
    /// The value there.
    pub(super) label: String,
}

/// How a linear axis deals with its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// At ticks, zero included: heights are compared.
    Round,
    /// At the values: none of the width is lost. Zero is included where it is near.
    Tight {
        /// Whether all values are whole numbers, so that ticks between them would mean nothing.
        is_whole: bool,
    },
}

impl Ruler {
    /// The axis that holds all of `values` that can be shown, with at most about `ticks_max` ticks.
    pub(super) fn new(
        scale: Scale,
        values: impl Iterator<Item = f64>,
        ends: Ends,
        ticks_max: usize,
    ) -> Ruler {
        let range =
            values.filter_map(|value| spread(scale, value)).fold(None, |range: Option<(f64, f64)>, at| {
                Some(range.map_or((at, at), |(low, high)| (low.min(at), high.max(at))))
            });
        let ticks_max = ticks_max.max(2) as f64;
        match scale {
            Scale::Linear => Ruler::linear(range.unwrap_or((0.0, 1.0)), ends, ticks_max),
            Scale::Logarithmic => Ruler::logarithmic(range.unwrap_or((0.0, 1.0)), ticks_max),
            Scale::Percentiles => Ruler::percentiles(range.map_or(2.0, |(_, high)| high.max(1.0))),
        }
    }

    /// Where `value` stands, from 0 to 1; `None` if it cannot be shown.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let at = (spread(self.scale, value)? - self.from) / (self.to - self.from);
        at.is_finite().then(|| at.clamp(0.0, 1.0))
    }

    fn linear((mut low, mut high): (f64, f64), ends: Ends, ticks_max: f64) -> Ruler {
        let is_near_zero = low > 0.0 && low <= high / 8.0;
        if ends == Ends::Round || is_near_zero {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        if high - low <= NARROWEST * high.abs().max(low.abs()) {
            let half = if low == 0.0 { 1.0 } else { low.abs() / 2.0 };
            (low, high) = if ends == Ends::Round { (0.0, 1.0) } else { (low - half, high + half) };
        }
        let mut step = round_up((high - low) / ticks_max);
        if ends == (Ends::Tight { is_whole: true }) {
            step = step.max(1.0);
        }
        // An axis that nearly reaches the next tick reaches it: 59.9 s are a minute.
        let (floor, ceil) = ((low / step).floor() * step, (high / step).ceil() * step);
        let near = (high - low) * NEAR;
        if low - floor <= near {
            low = floor;
        }
        if ceil - high <= near {
            high = ceil;
        }
        if ends == Ends::Round {
            (low, high) = ((low / step).floor() * step, (high / step - NARROWEST).ceil() * step);
        }
        let format = Format::of_step(step, high.abs().max(low.abs()));
        let first = (low / step - NARROWEST).ceil();
        let count = ((high / step + NARROWEST).floor() - first).clamp(0.0, 100.0) as usize;
        let ticks = (0..=count)
            .map(|number| (first + number as f64) * step)
            .map(|value| Tick { at: (value - low) / (high - low), label: format.write(value) })
            .collect();
        Ruler { scale: Scale::Linear, from: low, to: high, ticks, minor: Vec::new() }
    }

    fn logarithmic((low, high): (f64, f64), ticks_max: f64) -> Ruler {
        let (from, mut to) = (one_two_five(low, f64::floor), one_two_five(high, f64::ceil));
        if to - from < 0.2 {
            to = from + 1.0;
        }
        let mut ruler = Ruler { scale: Scale::Logarithmic, from, to, ticks: Vec::new(), minor: Vec::new() };
        let decades = from.floor() as i32..=to.ceil() as i32;
        let count = decades.end() - decades.start();
        let has_between = f64::from(count) * 3.0 <= ticks_max * 1.5;
        let every = (f64::from(count) / ticks_max).ceil().max(1.0) as i32;
        for decade in decades {
            for digit in 1..=9 {
                let log = f64::from(decade) + f64::from(digit).log10();
                let at = (log - from) / (to - from);
                if !(-NARROWEST..=1.0 + NARROWEST).contains(&at) {
                    continue;
                }
                if (digit == 1 && decade.rem_euclid(every) == 0) || (has_between && matches!(digit, 2 | 5)) {
                    let label = number::short(f64::from(digit) * 10f64.powi(decade));
                    ruler.ticks.push(Tick { at, label });
                } else if count <= DECADES_WITH_LINES {
                    ruler.minor.push(at);
                }
            }
        }
        ruler
    }

    fn percentiles(last: f64) -> Ruler {
        let to = if last.ceil() - last < 0.1 { last.ceil() } else { last };
        let labels = ["0", "50", "90", "99", "99.9", "99.99", "99.999", "99.9999", "99.99999"];
        let places = [0.0, 2f64.log10(), 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let ticks = places
            .into_iter()
            .zip(labels)
            .map(|(at, label)| Tick { at: at / to, label: label.to_owned() })
            .filter(|tick| tick.at <= 1.0 + NARROWEST)
            .collect();
        Ruler { scale: Scale::Percentiles, from: 0.0, to, ticks, minor: Vec::new() }
    }
}

/// The value on an axis whose distances are all equal; `None` if `value` has no place on this one.
fn spread(scale: Scale, value: f64) -> Option<f64> {
    let is_shown = match scale {
        Scale::Linear => value.abs() <= VALUE_MAX,
        Scale::Logarithmic => (VALUE_MIN..=VALUE_MAX).contains(&value),
        Scale::Percentiles => (0.0..100.0).contains(&value),
    };
    is_shown.then(|| match scale {
        Scale::Linear if value.abs() < VALUE_MIN => 0.0,
        Scale::Linear => value,
        Scale::Logarithmic => value.log10(),
        Scale::Percentiles => -(1.0 - value / 100.0).log10(),
    })
}

/// The next step that is 1, 2 or 5 times a power of ten.
fn round_up(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= step * (1.0 - NARROWEST));
    digit.unwrap_or(10.0) * power
}

/// The logarithm of the nearest 1, 2 or 5 times a power of ten in one direction.
fn one_two_five(log: f64, direction: fn(f64) -> f64) -> f64 {
    let thirds = [0.0, 2f64.log10(), 5f64.log10()];
    let candidates = thirds.map(|third| direction(nudged(log - third, direction)) + third);
    let is_below = direction(0.5) < 0.5;
    candidates.into_iter().reduce(|a, b| if is_below { a.max(b) } else { a.min(b) }).unwrap_or(log)
}

/// Moved a little against `direction`, so that an exact power of ten stays what it is.
fn nudged(log: f64, direction: fn(f64) -> f64) -> f64 {
    if direction(0.5) < 0.5 { log + NARROWEST } else { log - NARROWEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64], ends: Ends, ticks_max: usize) -> String {
        let ruler = Ruler::new(scale, values.iter().copied(), ends, ticks_max);
        assert!(ruler.ticks.iter().all(|tick| (-1e-6..=1.0 + 1e-6).contains(&tick.at)), "{ruler:?}");
        ruler.ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let tight = Ends::Tight { is_whole: false };
        let whole = Ends::Tight { is_whole: true };
        for (scale, values, ends, expected) in [
            (Scale::Linear, &[3.0, 97.0][..], Ends::Round, "0 20 40 60 80 100"),
            (Scale::Linear, &[100.0], Ends::Round, "0 20 40 60 80 100"),
            (Scale::Linear, &[0.0, 0.0], Ends::Round, "0.0 0.2 0.4 0.6 0.8 1.0"),
            (Scale::Linear, &[], Ends::Round, "0 0.2 0.4 0.6 0.8 1.0"),
            (Scale::Linear, &[-5.0, 5.0], Ends::Round, "-6 -4 -2 0 2 4 6"),
            (Scale::Linear, &[0.1, 59.7], tight, "0 10 20 30 40 50 60"),
            (Scale::Linear, &[0.1, 57.0], tight, "0 10 20 30 40 50"),
            (Scale::Linear, &[2.0, 6.0], whole, "2 3 4 5 6"),
            (Scale::Linear, &[4.0], whole, "2 3 4 5 6"),
            (Scale::Linear, &[f64::NAN, f64::INFINITY, 7.0], Ends::Round, "0 2 4 6 8"),
            (Scale::Logarithmic, &[0.3, 40.0], Ends::Round, "0.2 0.5 1 2 5 10 20 50"),
            (Scale::Logarithmic, &[10.0, 10.0], Ends::Round, "10 20 50 100"),
            (Scale::Logarithmic, &[0.0, -3.0], Ends::Round, "1 2 5 10"),
            (Scale::Percentiles, &[0.0, 99.95, 100.0], tight, "0 50 90 99 99.9"),
        ] {
            let expected = expected.replace("0.0 ", "0 ");
            assert_eq!(labels(scale, values, ends, 6), expected, "{scale:?} {values:?}");
        }
    }

    #[test]
    fn the_nines_are_at_equal_distances() {
        let ruler = Ruler::new(Scale::Percentiles, [99.99].into_iter(), Ends::Round, 5);
        for (value, at) in [(0.0, 0.0), (90.0, 0.25), (99.0, 0.5), (99.9, 0.75), (99.99, 1.0)] {
            assert!((ruler.at(value).unwrap() - at).abs() < 1e-6, "{value}");
        }
        assert_eq!(ruler.at(100.0), None);
    }

    #[test]
    fn no_values_however_odd_make_many_ticks_or_none() {
        let odd = [0.0, 5e-324, 1e-300, 1e-9, 1.0, 1.0 + 1e-15, 3.0, 1e15, 1e16 + 2.0, 1e300, f64::MAX];
        for scale in [Scale::Linear, Scale::Logarithmic, Scale::Percentiles] {
            for ends in [Ends::Round, Ends::Tight { is_whole: false }, Ends::Tight { is_whole: true }] {
                for (low, high) in odd.into_iter().flat_map(|low| odd.map(|high| (-low, high))) {
                    for values in [[low, high], [-low, high]] {
                        let ruler = Ruler::new(scale, values.into_iter(), ends, 8);
                        let count = ruler.ticks.len();
                        assert!((1..=16).contains(&count), "{scale:?} {ends:?} {values:?}: {count}");
                        assert!(ruler.ticks.iter().all(|tick| tick.at.is_finite()), "{values:?}: {ruler:?}");
                        assert!(
                            ruler.ticks.iter().all(|tick| tick.label.len() < 24),
                            "{values:?}: {ruler:?}"
                        );
                    }
                }
            }
        }
    }
}
