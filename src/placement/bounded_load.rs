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

/// The most that a replica of `weight` may have in flight, one more included that it shall get now: it takes it while it
/// has fewer. All replicas that are up have `total_in_flight` together, and their weights add up to `weight_sum`; under a
/// placement without weights each counts as 1. A factor below 1 counts as 1. Nothing needs to be computed for a replica
/// that is below [`IN_FLIGHT_FLOOR`].
pub fn bound(rule: BoundedLoad, total_in_flight: u64, weight: u64, weight_sum: u64) -> u64 {
    let factor = u128::from(rule.factor_thousandths.max(1_000));
    let allowance = (factor * (u128::from(total_in_flight) + 1)).saturating_mul(weight.into());
    let bound = allowance.div_ceil(1_000 * u128::from(weight_sum.max(1)));
    u64::try_from(bound).unwrap_or(u64::MAX).max(IN_FLIGHT_FLOOR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(factor_thousandths: u32) -> BoundedLoad {
        BoundedLoad { factor_thousandths }
    }

    #[test]
    fn a_bound_is_the_factor_of_the_fair_share_rounded_up_and_never_below_the_floor() {
        // factor, in flight, weight, weights' sum, bound
        let cases = [
            (1_250, 99, 1, 4, 32),
            (1_250, 101, 1, 4, 32),
            (1_250, 102, 1, 4, 33),
            (1_000, 299, 1, 3, 100),
            (2_000, 299, 1, 3, 200),
            (1_500, 999, 3, 10, 450),
            (1_250, 0, 1, 3, 16),
            (1_250, 37, 1, 3, 16),
            (1_250, 39, 1, 3, 17),
            (500, 299, 1, 3, 100),
            (1_250, 99, 1, 0, 125),
            (u32::MAX, u64::MAX, u64::MAX, 1, u64::MAX),
            (1_000, u64::MAX, 1, 1 << 32, 1 << 32),
        ];
        for (factor, total, weight, weight_sum, expected) in cases {
            assert_eq!(
                bound(rule(factor), total, weight, weight_sum),
                expected,
                "{factor} of {total}, {weight} of {weight_sum}"
            );
        }
    }

    proptest! {
        #[test]
        fn somebody_always_takes_it(
            replicas in prop::collection::vec((0_u64..500, 1_u64..=1_000), 1..20), factor in 0_u32..3_000
        ) {
            let total = replicas.iter().map(|(in_flight, _)| in_flight).sum();
            let weight_sum = replicas.iter().map(|(_, weight)| weight).sum();
            let takes = |(in_flight, weight): &(u64, u64)| {
                *in_flight < bound(rule(factor), total, *weight, weight_sum)
            };
            prop_assert!(replicas.iter().any(takes));
        }

        #[test]
        fn more_load_more_weight_and_a_larger_factor_never_lower_a_bound(
            total in 0_u64..10_000, weight in 1_u64..100, others in 0_u64..1_000, factor in 1_000_u32..3_000
        ) {
            let of = |total, weight, factor| bound(rule(factor), total, weight, weight + others);
            let least = of(total, weight, factor);
            prop_assert!(least <= of(total + 1, weight, factor));
            prop_assert!(least <= of(total, weight + 1, factor));
            prop_assert!(least <= of(total, weight, factor + 1));
        }

        /// One key that everyone wants, in an order of fail-over that never changes.
        #[test]
        fn a_hot_key_fills_one_replica_after_the_other(replicas in 2_usize..10, requests in 1_u64..2_000) {
            let mut in_flight = vec![0_u64; replicas];
            let bound = |total| bound(rule(1_250), total, 1, replicas as u64);
            for total in 0..requests {
                let taker = in_flight.iter().position(|in_flight| *in_flight < bound(total)).unwrap();
                in_flight[taker] += 1;
            }
            prop_assert!(in_flight.iter().all(|in_flight| *in_flight <= bound(requests - 1)), "{:?}", in_flight);
            prop_assert!(in_flight.is_sorted_by(|one, next| one >= next), "{:?}", in_flight);
        }
    }
}
