//! Which requests are writes.

use std::str::FromStr;

use thiserror::Error;

use super::draws::Draws;

/// A part of all requests, from none to all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

/// A text is no [`Share`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write a percentage from 0 to 100, such as 10 or 0.5")]
pub struct ShareError;

impl FromStr for Share {
    type Err = ShareError;

    /// Reads a percentage.
    fn from_str(written: &str) -> Result<Self, ShareError> {
        let percent: f64 = written.parse().map_err(|_| ShareError)?;
        if (0.0..=100.0).contains(&percent) { Ok(Share(percent / 100.0)) } else { Err(ShareError) }
    }
}

impl Share {
    /// It as a percentage.
    pub fn percent(self) -> f64 {
        self.0 * 100.0
    }

    /// Whether request number `index` is part of it.
    #[inline]
    pub(super) fn contains(self, draws: Draws, index: u64) -> bool {
        draws.at(index).chance(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept() {
        let draws = Draws::of_writes(1);
        for (percent, expected) in
            [("0", 0..=0), ("0.5", 400..=600), ("10", 9_700..=10_300), ("100", 100_000..=100_000)]
        {
            let share: Share = percent.parse().unwrap();
            let count = (0..100_000).filter(|&index| share.contains(draws, index)).count();
            assert!(expected.contains(&count), "{percent}: {count}");
        }
    }

    #[test]
    fn what_is_no_percentage_is_refused() {
        for written in ["", "-1", "100.1", "NaN", "inf", "10%"] {
            assert_eq!(written.parse::<Share>(), Err(ShareError), "{written}");
        }
    }
}
