//! Bounded loads (Mirrokni, Thorup, Zadimoghaddam, SODA 2018): who may take one more request.
//!
//! With a factor c, T requests in flight on the replicas that are up, and a replica's part p of their weights, the
//! replica takes one more while it has fewer than `ceil(c * (T + 1) * p)` in flight; and in any case while it has fewer
//! than [`IN_FLIGHT_FLOOR`], since a share of next to nothing says nothing: at two requests in flight one on each of
//! two replicas is no imbalance worth leaving a key's home for. The bounds add up to T + 1 at least, so that somebody
//! takes it.

use crate::base::algorithm::BoundedLoad;

/// In flight on a replica before anything spills over to the next one.
pub const IN_FLIGHT_FLOOR: u64 = 16;

/// The bounds at one moment. Making them costs two multiplications, asking them two more; nothing divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadBounds {
    /// Factor in thousandths, times the requests in flight and one more.
    allowance: u128,
    /// The sum of the weights, times 1,000.
    divisor: u128,
}

impl LoadBounds {
    /// The bounds for `in_flight` requests on all replicas that are up together, whose weights sum up to `weight_sum`.
    /// Under a placement without weights, each counts as 1 here and in the other calls. A factor below 1 counts as 1.
    pub fn new(rule: BoundedLoad, in_flight: u64, weight_sum: u64) -> Self {
        LoadBounds {
            allowance: u128::from(rule.factor_thousandths.max(1_000)) * (u128::from(in_flight) + 1),
            divisor: u128::from(weight_sum) * 1_000,
        }
    }

    /// Whether a replica of this weight that is up may take one more, with `in_flight` on it now.
    pub fn admit(&self, in_flight: u64, weight: u32) -> bool {
        // For whole numbers, n < ceil(a / b) is n < a / b.
        in_flight < IN_FLIGHT_FLOOR
            || u128::from(in_flight).saturating_mul(self.divisor)
                < self.allowance.saturating_mul(weight.into())
    }

    /// The most that a replica of this weight may have in flight; to show it, [`LoadBounds::admit`] is cheaper.
    pub fn bound(&self, weight: u32) -> u64 {
        let share = self.allowance.saturating_mul(weight.into()).div_ceil(self.divisor.max(1));
        u64::try_from(share).unwrap_or(u64::MAX).max(IN_FLIGHT_FLOOR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(factor_thousandths: u32) -> BoundedLoad {
        BoundedLoad { factor_thousandths }
    }

    #[test]
    fn a_bound_is_the_factor_of_the_fair_share_rounded_up() {
        // factor, in flight, weights' sum, weight, bound
        let cases = [
            (1_250, 99, 4, 1, 32),
            (1_250, 100, 4, 1, 32),
            (1_250, 102, 4, 1, 33),
            (1_000, 299, 3, 1, 100),
            (2_000, 299, 3, 1, 200),
            (1_500, 999, 10, 3, 450),
            (1_250, 0, 3, 1, 16),
            (1_250, 30, 3, 1, 16),
            (500, 299, 3, 1, 100),
        ];
        for (factor, in_flight, weight_sum, weight, bound) in cases {
            let bounds = LoadBounds::new(rule(factor), in_flight, weight_sum);
            assert_eq!(bounds.bound(weight), bound, "{factor} {in_flight} {weight_sum} {weight}");
        }
    }

    #[test]
    fn nothing_spills_below_the_floor() {
        let bounds = LoadBounds::new(rule(1_000), 15, 100);
        assert_eq!([15, 16].map(|in_flight| bounds.admit(in_flight, 1)), [true, false]);
    }

    #[test]
    fn the_largest_figures_do_not_overflow() {
        let weight_sum = u64::from(u32::MAX) * 65_535;
        let bounds = LoadBounds::new(rule(u32::MAX), u64::MAX, weight_sum);
        assert_eq!(bounds.bound(u32::MAX), u64::MAX);
        assert!(bounds.admit(u64::MAX - 1, u32::MAX));
        let bounds = LoadBounds::new(rule(1_000), u64::MAX, weight_sum);
        let bound = u64::MAX / 65_535 + 1;
        assert_eq!((bounds.bound(u32::MAX), bounds.admit(bound, u32::MAX)), (bound, false));
        assert_eq!(LoadBounds::new(rule(1_250), 0, 0).bound(1), 1_250, "without replicas nothing is divided");
    }

    proptest! {
        #[test]
        fn somebody_always_takes_it(
            replicas in prop::collection::vec((0_u64..500, 1_u32..=1_000), 1..20), factor in 0_u32..3_000
        ) {
            let in_flight = replicas.iter().map(|(in_flight, _)| in_flight).sum();
            let weight_sum = replicas.iter().map(|(_, weight)| u64::from(*weight)).sum();
            let bounds = LoadBounds::new(rule(factor), in_flight, weight_sum);
            prop_assert!(replicas.iter().any(|(in_flight, weight)| bounds.admit(*in_flight, *weight)));
        }

        #[test]
        fn who_is_admitted_is_below_the_bound(
            in_flight in 0_u64..1_000, total in 0_u64..10_000, weight in 1_u32..100, others in 0_u64..1_000, factor in 1_000_u32..3_000
        ) {
            let bounds = LoadBounds::new(rule(factor), total, u64::from(weight) + others);
            prop_assert_eq!(bounds.admit(in_flight, weight), in_flight < bounds.bound(weight));
        }

        /// One key that everyone wants: with the bounds no replica ends above the largest of them.
        #[test]
        fn a_hot_key_fills_one_replica_after_the_other(replicas in 2_usize..10, requests in 1_u64..2_000) {
            let mut in_flight = vec![0_u64; replicas];
            for total in 0..requests {
                let bounds = LoadBounds::new(rule(1_250), total, replicas as u64);
                let taker = in_flight.iter().position(|in_flight| bounds.admit(*in_flight, 1)).unwrap();
                in_flight[taker] += 1;
            }
            let bound = LoadBounds::new(rule(1_250), requests - 1, replicas as u64).bound(1);
            prop_assert!(in_flight.iter().all(|in_flight| *in_flight <= bound), "{:?} over {}", in_flight, bound);
        }
    }
}
