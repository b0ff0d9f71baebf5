//! Bounded loads: how much of a service's load one replica may have (Mirrokni, Thorup, Zadimoghaddam, SODA 2018).

use crate::base::algorithm::BoundedLoad;

/// What every replica may have in flight, whatever its share: with few requests a factor means nothing.
pub const IN_FLIGHT_FLOOR: u64 = 16;

/// The most that a replica of `weight` may have in flight, the next request included, when all replicas together have
/// `total_in_flight` and their weights add up to `weight_sum`.
pub fn bound(rule: BoundedLoad, total_in_flight: u64, weight: u64, weight_sum: u64) -> u64 {
    let all = u128::from(rule.factor_thousandths) * (u128::from(total_in_flight) + 1);
    let share = all.saturating_mul(u128::from(weight));
    let bound = share.div_ceil(1_000 * u128::from(weight_sum.max(1)));
    u64::try_from(bound).unwrap_or(u64::MAX).max(IN_FLIGHT_FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_the_factor_times_the_share_and_never_below_the_floor() {
        let quarter_more = BoundedLoad { factor_thousandths: 1_250 };
        for (total, weight, weight_sum, expected) in
            [(0, 1, 3, 16), (37, 1, 3, 16), (39, 1, 3, 17), (99, 1, 2, 63), (99, 2, 3, 84), (99, 1, 0, 125)]
        {
            assert_eq!(
                bound(quarter_more, total, weight, weight_sum),
                expected,
                "{total} {weight}/{weight_sum}"
            );
        }
        let most = BoundedLoad { factor_thousandths: u32::MAX };
        assert_eq!(bound(most, u64::MAX, u64::MAX, 1), u64::MAX);
    }
}
